"""Matrix Market files, checked before they are parsed: SciPy's parser believes what they declare.

It asks for as much memory as the size line says, and reads past the end of a file whose last number is cut. So the
size line is compared with the file, and every line with the grammar, first.

Source: R. F. Boisvert, R. Pozo and K. Remington, "The Matrix Market exchange formats: initial
design", NISTIR 5935, 1996.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from simulators.reading import check_regular

__all__ = ["read_matrix_market"]

_BANNER = re.compile(
    rb"%%MatrixMarket[ \t]+matrix[ \t]+(coordinate|array)[ \t]+(real|double|(?:unsigned-)?integer|pattern|complex)"
    rb"[ \t]+(general|symmetric|skew-symmetric|hermitian)[ \t]*",
    re.IGNORECASE,
)
_INDEX = rb"[ \t]*+\d{1,18}"
_NUMBER = rb"[ \t]*+[+-]?+(?:\d++(?:\.\d*+)?+(?:[eE][+-]?\d{1,4})?|\.\d++(?:[eE][+-]?\d{1,4})?|(?i:nan|inf(?:inity)?+))"
_BLANK, _END = rb"[ \t]*+\r?\n", rb"[ \t]*+(?:\r?\n)"
_BLANK_LINE = re.compile(rb"\n[ \t\r]*+(?=\n)")  # from the end of the line before
_SIZES = {b"coordinate": 3, b"array": 2}
_INTEGER = rb"[ \t]*+[+-]?+\d{1,18}"


def read_matrix_market(path: str | Path, rows: int | None = None) -> Any:
    """A real matrix of a Matrix Market file.

    Parameters
    ----------
    path : str or Path
    rows : int, optional
        The file is to hold a vector of so many entries; otherwise it is to hold a square matrix with no more rows than
        it has entries, as any regular one has.

    Returns
    -------
    array or sparse matrix
        As `scipy.io.mmread` gives it.

    Raises
    ------
    ValueError
        Names the file, and the line where there is one: no real matrix of this format, other sizes, more or fewer
        entries than declared, what is no number, an index outside the matrix.
    OSError
        When the file cannot be opened.
    """
    from scipy.io import mmread

    file = check_regular(path)
    content = file.read_bytes()
    if not content.endswith(b"\n"):
        content += b"\n"
    banner, at, line = _banner(file, content)
    kind, field = banner[1].lower(), banner[2].lower()
    if field == b"complex":
        raise ValueError(f"{file}: line 1: has complex entries; real ones are needed")
    sizes, at, line = _size_line(file, content, at, line, _SIZES[kind])
    _check_shape(file, line, sizes, rows)
    row = _row(kind, field)
    body = re.compile(rb"(?:" + row + rb"|" + _BLANK + rb")*+").match(content, at)
    if body is None or body.end() < len(content):
        bad = at if body is None else body.end()
        where = line + 1 + content.count(b"\n", at, bad)
        shown = content[bad : bad + 60].splitlines()[0].decode("ascii", "replace")
        raise ValueError(f"{file}: line {where}: {shown!r} is no entry of a {kind.decode()} {field.decode()} matrix")
    found = content.count(b"\n", at) - len(_BLANK_LINE.findall(content, at - 1))
    if kind == b"coordinate":
        declared = sizes[2]
    else:
        n, m = sizes
        declared = {b"general": n * m, b"skew-symmetric": n * (n - 1) // 2}.get(banner[3].lower(), n * (n + 1) // 2)
    if found != declared:
        raise ValueError(f"{file}: line {line}: declares {declared} entries, and there are {found}")
    try:
        return mmread(io.BytesIO(content))
    except (ValueError, OSError, TypeError, OverflowError) as error:
        raise ValueError(f"{file}: {error}") from None


def _banner(file: Path, content: bytes) -> tuple[re.Match[bytes], int, int]:
    """The first line; where the next line begins, and its number less one."""
    end = content.index(b"\n")
    banner = _BANNER.fullmatch(content[:end].rstrip(b"\r"))
    if banner is None:
        raise ValueError(f"{file}: line 1: is no banner of a Matrix Market file of a matrix, %%MatrixMarket matrix ...")
    return banner, end + 1, 1


def _size_line(file: Path, content: bytes, at: int, line: int, count: int) -> tuple[list[int], int, int]:
    """The numbers of the first line that is no comment; where the next line begins, and the number of this one."""
    while at < len(content):
        end = content.index(b"\n", at)
        text, at, line = content[at:end].strip(), end + 1, line + 1
        if not text or text.startswith(b"%"):
            continue
        words = text[:200].split()
        if len(words) != count or not all(re.fullmatch(rb"\d{1,18}", word) for word in words):
            shown = text[:60].decode("ascii", "replace")
            raise ValueError(f"{file}: line {line}: {shown!r} are not {count} whole numbers, the sizes")
        return [int(word) for word in words], at, line
    raise ValueError(f"{file}: has no line of sizes")


def _check_shape(file: Path, line: int, sizes: list[int], rows: int | None) -> None:
    """Bound what SciPy will ask for: vectors are as long as the matrix, and a matrix not larger than its file."""
    n, m = sizes[:2]
    if rows is not None:
        if (n, m) not in ((rows, 1), (1, rows)):
            raise ValueError(f"{file}: line {line}: has {n * m} entries ({n} x {m}), the matrix {rows} rows")
        return
    if n != m or n == 0:
        raise ValueError(f"{file}: line {line}: A: must be square with at least one row, got shape ({n}, {m})")
    if len(sizes) == 3 and n > 2 * sizes[2]:  # a symmetric matrix lists half of them
        raise ValueError(f"{file}: line {line}: {sizes[2]} entries for {n} rows: the matrix is singular")


def _row(kind: bytes, field: bytes) -> bytes:
    """The grammar of an entry's line."""
    number = _INTEGER if field.endswith(b"integer") else _NUMBER
    if kind == b"array":
        return number + _END
    value = b"" if field == b"pattern" else rb"[ \t]++" + number
    return _INDEX + rb"[ \t]++" + _INDEX + value + _END
