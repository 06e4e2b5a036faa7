"""Files that are corrupt, lie or blow up: loaders load a valid object or raise a ValueError that names the file."""

import gzip
import io
import struct
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.own_predictions import with_own_predictions
from experiments.sweep import Sweep
from experiments.sweep_parts import _read_array
from simulators import AdversarialRewards, MatrixMarketFolder, Trace, read_features
from simulators.auctions import AuctionLog, read_finite_market
from simulators.erm import read_labelled_table
from simulators.linear_systems.matrix_market import read_matrix_market
from simulators.reading import ArrayFile, listed, read_parquet
from simulators.stragglers import read_delays


def own_bits(path):
    return with_own_predictions([Trace([1, 2, 3])], [None], "bits", [str(path)])


def labelled(path):
    return read_labelled_table(path, "y")


def npz(**arrays):
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def npy(array):
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def declared(shape, kind="<f8", data=b""):
    """A NPY file whose header says what it likes."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def parquet(**columns):
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


TOML = b"""horizon = [5, 9]
replications = 2
[[simulators]]
name = "BernoulliArms"
means = [0.4, 0.6]
[[algorithms]]
name = "UCB1"
exploration = [0.5, 1.0]
"""
MATRIX = b"%%MatrixMarket matrix coordinate real general\n% a comment\n2 2 3\n1 1 2.0\n2 2 2.5e0\n1 2 -0.5\n"
MARKET = b"channel,realisation,prob,value,cost\n0,0,0.5,1,2\n0,1,0.5,3,1\n"
VALID = {
    "trace.csv": (Trace.from_file, b"page\n1\n2\n1\n"),
    "trace.csv.gz": (Trace.from_file, gzip.compress(b"page\n1\n2\n1\n", mtime=0)),
    "trace.csv.zst": (Trace.from_file, bytes(pa.compress(b"page\n1\n2\n1\n", "zstd", asbytes=True))),
    "trace.npz": (Trace.from_file, npz(requests=np.array([3, 1, 3]))),
    "trace.npy": (Trace.from_file, npy(np.array([3, 1, 3]))),
    "trace.bin": (Trace.from_file, bytes(range(48))),
    "delays.csv": (read_delays, b"a,b\n1,2\n3,inf\n"),
    "delays.npz": (read_delays, npz(a=np.ones((2, 2)))),
    "features.csv": (read_features, b"1,2\n3,4\n"),
    "rewards.csv": (AdversarialRewards.from_file, b"a,b\n0,1\n1,0\n"),
    "rewards.parquet": (AdversarialRewards.from_file, parquet(a=[0.0, 1.0], b=[1, 0])),
    "log.csv": (AuctionLog.from_file, b"value,cost,channel\n1,2,a\n3,4,b\n"),
    "log.parquet": (AuctionLog.from_file, parquet(value=[1.0, 2.0], cost=[1, 2], channel=["a", "b"])),
    "market.csv": (read_finite_market, MARKET),
    "records.csv": (labelled, b"a,y\n1,p\n2,n\n"),
    "records.npz": (labelled, npz(X=np.ones((2, 2)), y=np.array(["p", "n"]))),
    "bits.txt": (own_bits, b"0\n1\n1\n"),
    "bits.npy": (own_bits, npy(np.array([0, 1, 1]))),
    "matrix.mtx": (read_matrix_market, MATRIX),
    "sweep.toml": (Sweep.from_file, TOML),
    "array.npz": (lambda path: _read_array(path, None), npz(a=np.ones((2, 2)))),
}


def refused(load, path):
    """The message with which a file is refused; None when it loads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load(path)
        return None
    except ValueError as error:
        message = str(error)
    assert str(path) in message
    assert len(message) < 3000
    return message


@pytest.mark.parametrize("name", VALID)
def test_valid_files_load(tmp_path, name):
    load, content = VALID[name]
    (tmp_path / name).write_bytes(content)
    assert refused(load, tmp_path / name) is None


@st.composite
def mutations(draw, content):
    """A file with bits flipped, bytes replaced, parts cut out or doubled."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        if not changed:
            break
        at = draw(st.integers(0, len(changed) - 1))
        kind = draw(st.sampled_from(["flip", "byte", "cut", "end", "double", "insert"]))
        if kind == "flip":
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte":
            changed[at] = draw(st.sampled_from([0, 9, 10, 13, 34, 44, 45, 46, 57, 101, 127, 255]))
        elif kind == "cut":
            del changed[at : at + draw(st.integers(1, 8))]
        elif kind == "end":
            del changed[at:]
        elif kind == "double":
            changed[at:at] = changed[at : at + draw(st.integers(1, 16))]
        else:
            changed[at:at] = draw(
                st.sampled_from([b"\n", b"\0", b"nan", b"-1", b"1e999", b'"', b"99999999999999999999"])
            )
    return bytes(changed)


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_mutated_files_load_or_are_refused_by_name(tmp_path_factory, name, data):
    load, content = VALID[name]
    path = tmp_path_factory.mktemp("mutated") / name
    path.write_bytes(data.draw(mutations(content)))
    refused(load, path)


LONG = b"a" * 200_000
LIES = {
    "object array": ("trace.npy", npy(np.array([{}], dtype=object)), "holds objects"),
    "object array in an archive": ("delays.npz", npz(a=np.array([[{}]], dtype=object)), "holds objects"),
    "huge shape": ("trace.npy", declared((10**10,)), "takes 80000000000 bytes, and there are 0"),
    "overflowing shape": ("delays.npz", None, "takes"),
    "negative shape": ("bits.npy", declared((-3,)), "negative length"),
    "items of no bytes": ("trace.npy", declared((10**18,), "<U0"), "neither numbers nor text"),
    "deep header": ("trace.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000, "header"),
    "pickle": ("trace.npz", b"\x80\x04N.", "no NPY or NPZ file"),
    "archive of no arrays": ("trace.npz", None, r"holds the arrays \(none\)"),
    "long field": ("features.csv", LONG, "line 1: field larger"),
    "long field below": ("records.csv", b"a,y\n" + LONG + b",p\n", "line 2: field larger"),
    "open quote": ("records.csv", b'a,y\n"1,p\n' + b"1,p\n" * 40_000, "field larger"),
    "long line": ("rewards.csv", b"1," * 2_200_000 + b"1\n", "line 1: is longer than"),
    "many columns": ("trace.csv", b"1," * 300_000 + b"1\n", "has 300001 columns .* and 299981 more"),
    "many columns of a log": ("log.csv", b"value,cost" + b",a" * 20_000 + b"\n", "20002 columns are more than 10000"),
    "latin": ("records.csv", b"a,y\n\xe9,p\n", "byte 5: not UTF-8"),
    "UTF-16": ("market.csv", MARKET.decode().encode("utf-16"), "not UTF-8"),
    "old line ends": ("trace.csv", b"1\r2\r", "line 1: new-line character"),
    "short row": ("market.csv", MARKET + b"1\n", "line 4: 1 values for 5 columns"),
    "probabilities": ("market.csv", MARKET.replace(b"0.5", b"0.4"), "market.csv: "),
    "nested column": ("rewards.parquet", parquet(a=[[1.0]]), r"column 1 \(a\) holds list<"),
    "huge size": ("matrix.mtx", MATRIX.replace(b"2 2 3", b"2 2 99999999999"), "line 3: declares 99999999999 entries"),
    "huge rows": (
        "matrix.mtx",
        MATRIX.replace(b"2 2 3", b"2000000000 2000000000 3"),
        "line 3: 3 entries for 2000000000",
    ),
    "huge array": (
        "matrix.mtx",
        b"%%MatrixMarket matrix array real general\n100000 100000\n1\n",
        "declares 10000000000",
    ),
    "negative index": ("matrix.mtx", MATRIX.replace(b"1 2", b"1 -2"), "line 6: '1 -2 -0.5' is no entry"),
    "index beyond": ("matrix.mtx", MATRIX.replace(b"1 2", b"1 3"), "matrix.mtx"),
    "no number": ("matrix.mtx", MATRIX.replace(b"2.5e0", b"x"), "line 5: '2 2 x' is no entry"),
    "cut last number": ("matrix.mtx", MATRIX[:-1] + b"\x8a", "line 6: "),
    "rectangle": ("matrix.mtx", MATRIX.replace(b"2 2 3", b"2 3 3"), "must be square"),
    "complex": ("matrix.mtx", MATRIX.replace(b"real", b"complex"), "complex entries"),
    "deep TOML": ("sweep.toml", b"a = " + b"[" * 100_000, "nested too deep"),
    "chain of keys": ("sweep.toml", b".".join([b"a"] * 20_000) + b" = 1", "line 1: a chain of more than 100 keys"),
    "grids": ("sweep.toml", TOML.replace(b"[0.5, 1.0]", str([0.5] * 100_001).encode()), "a grid of 100001 values"),
    "bomb": ("trace.csv.zst", bytes(pa.compress(b"1\n" * 2**25, "zstd", asbytes=True)) * 2, "unpacks to more than"),
    "huge TOML": ("sweep.toml", b"#" * 2**23, "bytes are more than"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(tmp_path, lie):
    name, content, complaint = LIES[lie]
    load = VALID[name][0]
    path = tmp_path / name
    if content is None:
        inner = ("a.npy", declared((2**40, 2**40))) if "shape" in lie else ("a.txt", b"x")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(*inner)
    else:
        path.write_bytes(content)
    message = refused(load, path)
    assert message is not None
    with pytest.raises(ValueError, match=complaint):
        load(path)


@pytest.mark.parametrize("name", sorted(set(VALID) - {"bits.txt", "bits.npy"}))
def test_devices_and_folders_are_refused(tmp_path, name):
    load = VALID[name][0]
    (tmp_path / name).symlink_to("/dev/zero")
    assert "no regular file" in refused(load, tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert "is a folder" in refused(load, tmp_path / name)


def test_vectors_are_as_long_as_their_matrix(tmp_path):
    (tmp_path / "A.mtx").write_bytes(MATRIX)
    (tmp_path / "A_b.mtx").write_text("%%MatrixMarket matrix coordinate real general\n2000000000 1 1\n1 1 1.0\n")
    with pytest.raises(ValueError, match=r"A_b.mtx: line 2: has 2000000000 entries .* the matrix 2 rows"):
        MatrixMarketFolder(tmp_path)


def test_arrays_in_either_order_are_read_as_numpy_does(tmp_path):
    arrays = {
        "rows": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "none": np.ones((0, 4)),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    held = ArrayFile(tmp_path / "a.npz")
    for name, array in arrays.items():
        assert held.shape(name) == array.shape
        np.testing.assert_array_equal(held.read(name), array)


def test_parquet_columns_that_are_not_wanted_are_not_looked_at(tmp_path):
    (tmp_path / "t.parquet").write_bytes(parquet(a=[1.0], times=pa.array([1], pa.timestamp("s")), lists=[[1]]))
    names, table = read_parquet(tmp_path / "t.parquet", lambda name: name == "a")
    assert names == ["a", "times", "lists"]
    assert table.column_names == ["a"]


def test_long_lists_are_cut():
    assert listed(range(23)).endswith("18, 19 and 3 more")
    assert listed(["x" * 50]) == "x" * 37 + "..."


BOMBS = """
import gzip, io, resource, struct, sys, zipfile
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
import simulators.auctions, pandas
from simulators import Trace, AdversarialRewards
from simulators.stragglers import read_delays
from simulators.auctions import AuctionLog

folder = Path(sys.argv[1])
ones = b"1\\n" * 2**25  # 64 MiB
packed = bytes(pa.compress(ones, "zstd", asbytes=True))
line = bytes(pa.compress(bytes(2**26), "zstd", asbytes=True))
rows = bytes(pa.compress(b"value,cost\\n" + b"1,2\\n" * 2**24, "zstd", asbytes=True))
def write(name, content):
    (folder / name).write_bytes(content)
    return folder / name
def lying_archive():
    content, size = zeros("<f8", (1, 2))
    return content.replace(struct.pack("<I", size), struct.pack("<I", size - 2**29 + 16))
def zeros(kind, shape):
    content = io.BytesIO()
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\\n"
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("a.npy", "w") as file:
            file.write(b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(header)) + header)
            for _ in range(32):
                file.write(bytes(2**24))
    return content.getvalue(), 10 + len(header) + 2**29
def constant():
    content = io.BytesIO()
    pq.write_table(pa.table({"value": np.zeros(2**26, np.int8), "cost": np.zeros(2**26, np.int8)}), content)
    return content.getvalue()
rle = constant()
cases = [
    (Trace.from_file, write("a.csv.zst", packed * 160)),         # 10 GiB
    (Trace.from_file, write("line.csv.zst", line * 160)),        # 10 GiB without a line end
    (Trace.from_file, write("a.bin.zst", line * 160)),
    (Trace.from_file, write("a.csv.gz", gzip.compress(ones, 6) * 4)),
    (AuctionLog.from_file, write("log.csv.zst", rows * 160)),
    (read_delays, write("lying.npz", lying_archive())),
    (Trace.from_file, write("zeros.npz", zeros("|u1", (2**29,))[0])),
    (AdversarialRewards.from_file, write("a.parquet", rle)),
    (AuctionLog.from_file, write("b.parquet", rle)),
]
del ones, packed, line, rows, rle
Trace.from_file(write("small.csv.zst", bytes(pa.compress(b"1\\n2\\n", "zstd", asbytes=True))))  # what is imported late
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for load, path in cases:
    packed = path.stat().st_size
    try:
        load(path)
        print(path.name, "LOADED")
    except ValueError as error:
        print(path.name, "refused" if str(path) in str(error) else error)
print("grown by", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, "MiB")
"""


@pytest.mark.slow
@pytest.mark.extended
def test_bombs_are_refused_before_they_take_memory(tmp_path):
    """Archives of up to 10 GiB: the process grows by less than half a GiB."""
    run = subprocess.run([sys.executable, "-c", BOMBS, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    *cases, grown = run.stdout.splitlines()
    assert [case.split(maxsplit=1)[1] for case in cases] == ["refused"] * 9, run.stdout
    assert int(grown.split()[2]) < 512
