"""Checks of the ledger's guarantees, one module a family; `experiments.ledger_checks` finds and runs them."""

__all__: list[str] = []
