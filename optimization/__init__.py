"""Iterative optimizers with rates: private ones, so far."""

__all__: list[str] = []
