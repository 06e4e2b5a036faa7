"""Files of a user, read with bounded memory: they load or raise a ``ValueError`` that names them."""

from simulators.reading.arrays import ArrayFile
from simulators.reading.parquet import read_parquet
from simulators.reading.plain_files import check_regular, listed, most_unpacked
from simulators.reading.text import bounded_lines, csv_rows, decompressed, split_fields, text_lines

__all__ = [
    "ArrayFile",
    "bounded_lines",
    "check_regular",
    "csv_rows",
    "decompressed",
    "listed",
    "most_unpacked",
    "read_parquet",
    "split_fields",
    "text_lines",
]
