"""The documentation site: what `make docs` makes from the library, and puts beside the texts of ``docs/``."""

__all__: list[str] = []
