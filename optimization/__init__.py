"""Iterative optimizers with rates: private and bilevel ones."""

__all__: list[str] = []
