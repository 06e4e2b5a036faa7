"""Examples of sweep files, one a family: what ``regretlab init-sweep`` prints."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from experiments.sweep_fields import nearest

__all__ = ["sweep_example", "sweep_families", "write_sweep_example"]


def sweep_families() -> list[str]:
    """Families that have an example, in alphabetical order."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def sweep_example(family: str) -> str:
    """A commented sweep file of a family, ready to run.

    Raises
    ------
    ValueError
        For a family without an example; lists those that have one.

    Examples
    --------
    >>> print(sweep_example("bandits").splitlines()[0])
    # Stochastic bandits: which policy loses least on independent arms?
    """
    known = sweep_families()
    if family not in known:
        raise ValueError(f"family: {family!r} has no example{nearest(family, known)}")
    return (_folder() / f"{family}.toml").read_text(encoding="utf-8")


def write_sweep_example(family: str, path: str | Path) -> None:
    """Write the example of a family into a new file.

    Raises
    ------
    ValueError
        For a family without an example, a name that `regretlab run` would not take for a sweep, or a file that is
        there already: it may hold somebody's work.
    """
    text, file = sweep_example(family), Path(path)
    if file.suffix != ".toml":
        raise ValueError(f"out: {file} does not end in .toml")
    try:
        with open(file, "x", encoding="utf-8") as opened:
            try:
                opened.write(text)
                opened.flush()
            except BaseException:  # a full disk: nothing rather than half of it
                file.unlink()
                raise
    except FileExistsError:
        raise ValueError(f"out: {file} is there already; choose another name") from None


def _folder() -> Path:
    return Path(str(files("experiments") / "sweeps"))
