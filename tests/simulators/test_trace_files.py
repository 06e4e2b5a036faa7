import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import Trace

IDS = [17, 4, 17, 99, 4, 4, 123456789012]
CODES = [0, 1, 0, 2, 1, 1, 3]


def gzipped(content):
    return gzip.compress(content, mtime=0)  # workers must collect the same tests, whenever they do


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def oracle_general(ids):
    records = np.zeros(len(ids), dtype=[("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
    records["id"], records["time"], records["size"] = ids, np.arange(len(ids)), 4096
    return records.tobytes()


LINES = "".join(f"{page}\n" for page in IDS).encode()
TABLE = b"time,page,size\n" + b"".join(b"%d,%d,1\n" % (t, page) for t, page in enumerate(IDS))


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("t.txt", LINES, {}),
        ("t.csv", LINES, {}),
        ("t", LINES, {}),
        ("t.txt", LINES[:-1], {}),
        ("t.txt", LINES + b"\n\n\n", {}),
        ("t.txt", LINES.replace(b"\n", b"\r\n"), {}),
        ("t.txt", b"page\n" + LINES, {}),
        ("t.txt", b"\xef\xbb\xbfpage\n" + LINES, {}),
        ("t.txt", b"what\n" + LINES, {"header": True}),
        ("t.csv", TABLE, {"column": "page"}),
        ("t.csv", b"\xef\xbb\xbf" + TABLE.replace(b"time,page", b"page,time"), {"column": 2, "header": True}),
        ("t.csv", TABLE, {"column": 2}),
        ("t.csv", TABLE + b"\n", {"column": 2}),
        ("t.csv", TABLE.split(b"\n", 1)[1], {"column": 2}),
        ("t.tsv", TABLE.replace(b",", b"\t"), {"column": "page"}),
        ("t.csv", TABLE.replace(b",", b";"), {"column": "page", "delimiter": ";"}),
        ("t.csv", TABLE.replace(b"17,", b'"17",'), {"column": "page"}),
        ("t.txt.gz", gzipped(LINES), {}),
        ("t.txt", gzipped(LINES), {}),
        ("t.csv.gz", gzipped(TABLE), {"column": "page"}),
        ("t.txt.zst", zstd(LINES), {}),
        ("t.csv.zst", zstd(TABLE), {"column": "page"}),
        ("t.oracleGeneral.bin", oracle_general(IDS), {}),
        ("t.oracleGeneral.bin.zst", zstd(oracle_general(IDS)), {}),
        ("t.oracleGeneral.bin.gz", gzipped(oracle_general(IDS)), {}),
        ("t.dat", oracle_general(IDS), {"format": "oracleGeneral"}),
    ],
)
def test_every_format_gives_the_same_trace(tmp_path, name, content, options):
    path = tmp_path / name
    path.write_bytes(content)
    trace = Trace.from_file(path, **options)
    assert trace.requests.tolist() == CODES
    assert [int(page) for page in trace.pages] == [17, 4, 99, 123456789012]
    assert trace.name == "t"


def test_npz_and_npy(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", requests=np.array(IDS), other=np.zeros(3))
    np.savez(tmp_path / "b.npz", ids=np.array(IDS))
    np.savez(tmp_path / "c.npz", x=np.zeros(2), ids=np.array(IDS))
    np.save(tmp_path / "d.npy", np.array(IDS))
    np.save(tmp_path / "e.npy", np.array([str(page) for page in IDS]))
    for path, column in (("a.npz", None), ("b.npz", None), ("c.npz", "ids"), ("d.npy", None), ("e.npy", None)):
        assert Trace.from_file(tmp_path / path, column=column).requests.tolist() == CODES


@given(st.lists(st.text("abcXYZ019 _.,\"'-é", min_size=1, max_size=5).filter(lambda s: s.strip()), min_size=1))
def test_any_text_comes_back(tmp_path_factory, ids):
    path = tmp_path_factory.mktemp("text") / "t.csv"
    quoted = ['"' + page.replace('"', '""') + '"' for page in ids]
    path.write_text("".join(f"{field}\n" for field in ["page", *quoted]), encoding="utf-8")
    trace = Trace.from_file(path, header=True)
    assert [str(trace.pages[code]) for code in trace.requests] == ids


def test_ids_in_text_are_equal_when_their_text_is(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("7\n07\n7\n")
    assert Trace.from_file(path).pages.tolist() == ["7", "07"]


@pytest.mark.parametrize(
    ("first", "is_header"),
    [("page", True), ("ID", True), ("address of it", True), ("12", False), ("-3", False)],
)
def test_headers_are_recognized(tmp_path, first, is_header):
    path = tmp_path / "t.txt"
    path.write_text(f"{first}\n5\n6\n")
    assert len(Trace.from_file(path)) == (2 if is_header else 3)
    assert len(Trace.from_file(path, header=False)) == 3


def test_words_without_a_header_are_all_requests(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("alpha\nbeta\nalpha\n")
    assert Trace.from_file(path).requests.tolist() == [0, 1, 0]


LONG = [f"{t % 977},{t}" for t in range(300_000)]  # several blocks of the reader


def test_a_long_file_loses_nothing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["page,time", *LONG]) + "\n")
    assert Trace.from_file(path, column="page").requests.tolist() == [t % 977 for t in range(300_000)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nan,5", "line 250002, column 1: the page id is missing (nan)"),
        (",5", "line 250002, column 1: the page id is missing (empty)"),
        ("7", "line 250002: 1 columns where 2 are expected"),
        ("7,8,9", "line 250002: 3 columns where 2 are expected"),
        ("", "line 250002, column 1: the page id is missing"),
    ],
)
def test_the_first_bad_line_of_a_long_file_is_named(tmp_path, line, message):
    path = tmp_path / "t.csv"
    rows = ["page,time", *LONG]
    rows[250_001] = line
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(ValueError) as error:
        Trace.from_file(path, column="page")
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("t.txt", b"1\nnan\n", {}, "line 2, column 1: the page id is missing (nan)"),
        ("t.txt", b"1\nNULL\n3\n", {}, "line 2, column 1: the page id is missing (NULL)"),
        ("t.txt", b"1\n\n3\n", {}, "line 2, column 1: the page id is missing"),
        ("t.txt", b"\n1\n2\n", {}, "line 1, column 1: the page id is missing"),
        ("t.txt", b"1\n\xff\xfe\n", {}, "line 2, byte 1: not UTF-8 text"),
        ("t.txt", b"", {}, "holds no request"),
        ("t.txt", b"\n\n", {}, "holds no request"),
        ("t.txt", b"page\n", {}, "holds no request"),
        ("t.csv", b"a,b\n1,2\n", {}, "has 2 columns (a, b); choose one with column="),
        ("t.csv", b"a,b,c\n1,2\n3,4\n", {"column": "a"}, "line 2: 2 columns where 3 are expected"),
        ("t.csv", b"a,b,c\n1,2\n3,4\n", {"column": "c"}, "line 2: 2 columns where 3 are expected"),
        ("t.csv", b"a\n1,2\n3,4\n", {"header": True}, "line 2: 2 columns where 1 are expected"),
        ("t.csv", b"a,b\n1,2\n", {"column": "c"}, "line 1: no column 'c' among a, b"),
        ("t.csv", b"a,b\n1,2\n", {"column": 3}, "column 3 of a file with 2 columns"),
        ("t.csv", b"a,b\n1,2\n", {"column": 0}, "column: 0 is neither a name nor a position"),
        ("t.csv", b"a,b\n1,2\n", {"column": "a", "header": False}, "names stand in a header"),
        ("t.csv", b"1\n", {"delimiter": ",,"}, "delimiter: ',,' is not one character"),
        ("t.csv", b"1\n", {"format": "parquet"}, "format: 'parquet' is not one of"),
        ("t.bin", oracle_general(IDS)[:-5], {}, "record 7 is cut"),
        ("t.bin", b"", {}, "holds no request"),
        ("t.npz", b"no archive", {}, "t.npz"),
        ("t.npy", b"", {}, "t.npy"),
        ("t.gz", gzipped(LINES * 1000)[:-100], {}, "gzip archive is cut or corrupt"),
        ("t.gz", gzipped(LINES * 1000)[:-8] + b"\0" * 8, {}, "gzip archive is cut or corrupt"),
        ("t.gz", b"\x1f\x8bnothing", {}, "gzip archive is cut or corrupt"),
        ("t.zst", zstd(LINES * 1000)[:-20], {}, "zstd archive is cut or corrupt"),
        ("t.zst", b"\x28\xb5\x2f\xfdnothing at all", {}, "zstd archive is cut or corrupt"),
        ("t.bin.zst", zstd(oracle_general(IDS * 1000))[:-20], {}, "zstd archive is cut or corrupt"),
    ],
)  # fmt: skip
def test_bad_files_are_one_clear_line(tmp_path, name, content, options, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        Trace.from_file(path, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "column", "message"),
    [
        ({"a": [1], "b": [2]}, None, "holds the arrays a, b: choose one with column="),
        ({"a": [1], "b": [2]}, "c", "there is no 'c'"),
        ({"a": [1.0, np.nan]}, None, "id nan at index 1"),
        ({"a": [[1, 2]]}, None, "not one-dimensional"),
        ({"a": np.array([1, "x", None], dtype=object)}, None, "holds objects"),
        ({"a": np.zeros(0, np.int64)}, None, "holds no request"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, arrays, column, message):
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        Trace.from_file(path, column=column)


def test_a_cut_npz_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    np.savez_compressed(path, requests=np.arange(10_000))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"t\.npz"):
        Trace.from_file(path)


def test_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        Trace.from_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        Trace.from_file(tmp_path / "nowhere.csv")
