"""Arrays of NPY and NPZ files: what they declare is compared with what they hold before anything is unpacked.

NumPy's own loader believes the header: a file of 100 bytes that declares a shape of 10**10 numbers makes it ask for
80 GB. No pickles: arrays of objects are refused.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from simulators.reading.plain_files import check_regular, listed, most_unpacked

__all__ = ["ArrayFile"]

_ZIP = b"PK"
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes; others unpack without a bound


class ArrayFile:
    """The arrays of a NPY file, which has one without a name, or of a NPZ file.

    Parameters
    ----------
    path : str or Path
        Which of the two it is is seen from the content.

    Raises
    ------
    ValueError
        Names the file, when it is neither.
    OSError
        When it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = check_regular(path)
        with open(self.file, "rb") as stream:
            magic = stream.read(6)
        self.is_archive = magic[:2] == _ZIP
        if self.is_archive:
            try:
                with zipfile.ZipFile(self.file) as archive:
                    members = archive.infolist()
            except Exception as error:  # a corrupt directory raises many kinds
                raise self._refused("the NPZ archive is corrupt", error) from None
            self._members = {
                member.filename.removesuffix(".npy"): member for member in members if member.filename.endswith(".npy")
            }
        elif magic != npy.MAGIC_PREFIX:
            raise ValueError(f"{self.file}: is no NPY or NPZ file")
        else:
            self._members = {}

    @property
    def names(self) -> list[str]:
        """Names of the arrays of a NPZ file; none of a NPY file."""
        return list(self._members)

    def shape(self, name: str | None = None) -> tuple[int, ...]:
        """The shape that an array declares, without reading it."""
        return self._read(name, header_only=True).shape

    def read(self, name: str | None = None) -> NDArray[Any]:
        """An array: by its name of a NPZ file, without one of a NPY file.

        Raises
        ------
        ValueError
            Names the file: no such array, objects, fewer or more bytes than its shape takes, a cut or corrupt archive,
            or one that unpacks to more than `most_unpacked` bytes.
        """
        return self._read(name, header_only=False)

    def _read(self, name: str | None, *, header_only: bool) -> NDArray[Any]:
        if self.is_archive and name not in self._members:
            raise ValueError(f"{self.file}: no array {name!r} among {listed(self.names) or '(none)'}")
        if not self.is_archive:
            if name is not None:
                raise ValueError(f"{self.file}: holds one array, and no {name!r}")
            with open(self.file, "rb") as stream:
                return self._array(stream, self.file.stat().st_size, header_only)
        assert name is not None
        member = self._members[name]
        if member.compress_type not in _METHODS:
            raise ValueError(f"{self.file}: array {name!r}: is compressed by a method that NumPy does not use")
        try:
            with zipfile.ZipFile(self.file) as archive, archive.open(member) as packed:
                return self._array(packed, member.file_size, header_only)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (None, 22):  # 22: it points before its beginning
                raise
            raise self._refused("the NPZ archive is cut or corrupt", error) from None

    def _array(self, stream: IO[bytes], size: int, header_only: bool) -> NDArray[Any]:
        """The array of a stream that declares so many bytes, its header included."""
        shape, fortran, dtype = self._header(stream)
        most = most_unpacked(self.file, text=False)
        declared = math.prod(shape) * dtype.itemsize
        held = size - stream.tell()
        if declared != held:
            raise ValueError(
                f"{self.file}: shape {_shown(shape)} of {dtype} takes {declared} bytes, and there are {held}"
            )
        if declared > most:
            raise ValueError(
                f"{self.file}: unpacks to {declared} bytes, above {most}; write it uncompressed if that is meant"
            )
        if header_only:
            return np.broadcast_to(np.zeros((), dtype=dtype), shape)
        content = bytearray()
        while chunk := stream.read(_CHUNK):
            content += chunk
        if len(content) != declared:
            raise ValueError(f"{self.file}: ends after {len(content)} of {declared} bytes")
        return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")

    def _header(self, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        try:
            version = npy.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version} is of arrays with named fields")
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
            raise
        except Exception as error:  # the header is evaluated as Python text, which fails in many ways
            raise self._refused("the NPY header is not one", error) from None
        if dtype.kind not in "biufcSU" or dtype.itemsize == 0:
            what = "objects, which would have to be unpickled" if dtype.hasobject else f"{dtype}"
            raise ValueError(f"{self.file}: holds {what}, neither numbers nor text")
        if any(length < 0 for length in shape):
            raise ValueError(f"{self.file}: shape {_shown(shape)} has a negative length")
        return shape, fortran, dtype

    def _refused(self, what: str, error: BaseException) -> ValueError:
        reason = " ".join(str(error).split())
        return ValueError(f"{self.file}: {what}: {reason[:200]}")


def _shown(shape: tuple[int, ...]) -> str:
    return f"({listed(shape)})"
