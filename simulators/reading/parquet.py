"""Parquet files: how much they unpack to is asked before they are read, and whatever is wrong is a ``ValueError``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.reading.plain_files import check_regular, most_unpacked

__all__ = ["read_parquet"]

_BATCH = 1 << 16


def read_parquet(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> tuple[list[str], Any]:
    """A table of numbers and text.

    Parameters
    ----------
    path : str or Path
    wanted : function of a column's name
        Which columns to read; all if omitted.

    Returns
    -------
    names : list of str
        Of all columns of the file.
    table : pyarrow.Table
        The wanted columns, in the order of the file. Text as dictionaries: one
        that stands in many rows takes its memory once.

    Raises
    ------
    ValueError
        Names the file: it is none, cut or corrupt, a wanted column holds neither numbers nor text, or its values
        take more than `most_unpacked` bytes.
    OSError
        When the file cannot be opened.
    """
    import pyarrow as pa
    from pyarrow import parquet

    file = check_regular(path)
    most = most_unpacked(file, text=False)
    with open(file, "rb") as stream:
        try:
            schema = parquet.read_schema(stream)
            chosen = [field for field in schema if wanted(field.name)]
            for field in chosen:
                if not _is_plain(pa, field.type):
                    place = schema.names.index(field.name) + 1
                    raise _RefusedError(f"column {place} ({field.name}) holds {field.type}, neither numbers nor text")
            texts = [field.name for field in chosen if not _is_number(pa, field.type)]
            opened = parquet.ParquetFile(stream, read_dictionary=texts)
            if 8 * opened.metadata.num_rows * len(chosen) > most:
                raise _RefusedError(_too_large(most))
            # Batch by batch, as the number of rows may lie. Column chunks are not asked for their sizes: what a corrupt
            # one answers is a C++ exception that nobody catches.
            batches, left = [], most
            for batch in opened.iter_batches(_BATCH, columns=[field.name for field in chosen]):
                left -= sum(_own_bytes(pa, column) for column in batch.columns)
                if left < 0:
                    raise _RefusedError(_too_large(most))
                batches.append(batch)
            table = pa.Table.from_batches(batches, batches[0].schema if batches else pa.schema(chosen))
            table.validate()
        except _RefusedError as error:
            raise ValueError(f"{file}: {error}") from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise _corrupt(file, error) from None
        except (pa.ArrowException, ValueError, KeyError, IndexError, TypeError, MemoryError, OverflowError) as error:
            raise _corrupt(file, error) from None
    return schema.names, table


class _RefusedError(Exception):
    """A file that is whole, and not taken."""


def _too_large(most: int) -> str:
    return f"unpacks to more than {most} bytes; store it as CSV if that is meant"


def _own_bytes(pa: Any, column: Any) -> int:
    """Bytes of a column of a batch, without the dictionary, which its batches share."""
    return int(column.indices.nbytes if pa.types.is_dictionary(column.type) else column.nbytes)


def _corrupt(file: Path, error: BaseException) -> ValueError:
    return ValueError(f"{file}: no Parquet file, or a corrupt one: {' '.join(str(error).split())[:200]}")


def _is_number(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_plain(pa: Any, kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return _is_number(pa, kind) or bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
