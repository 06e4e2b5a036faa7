"""Iterative optimizers with rates. The house stands; its families are private and bilevel optimization."""

__all__: list[str] = []
