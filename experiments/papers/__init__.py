"""One module a paper: its cells, how to run one, its claims and its figures."""

__all__: list[str] = []
