import gzip

import numpy as np
import pytest

from experiments.own_predictions import with_own_predictions
from simulators import Trace

TRACE = Trace([7, 8, 7, 9], name="four")


@pytest.fixture
def read(tmp_path):
    """Write a file and read predictions for four requests from it, or from a column of the trace's file."""

    def read(kind, content, name="own.txt", *, column=None, trace=TRACE):
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, np.ndarray):
            np.save(path, content)
        else:
            path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        (told,) = with_own_predictions([trace], [str(path)], kind, [column or str(path)])
        return (told.bits if kind == "bits" else told.arrivals).tolist()

    return read


@pytest.mark.parametrize(
    ("content", "name", "column"),
    [
        ("0\n1\n1\n0\n", "own.txt", None),
        ("0\n1\n1\n0\n", "own.txt.gz", None),
        ("wrong?\n0\n1\n1\n0\n", "own.txt", None),
        ("0.0\n1.0\n1\n0\n\n", "own.csv", None),
        ("False\nTrue\nTrue\nFalse\n", "own.csv", None),
        ("page,bit\n7,0\n8,1\n7,1\n9,0\n", "trace.csv", "bit"),
        ("page,bit\n7,0\n8,1\n7,1\n9,0\n", "trace.csv", "2"),
        ("7,0\n8,1\n7,1\n9,0\n", "trace.csv", "2"),
        (np.array([0, 1, 1, 0]), "own.npy", None),
        (np.array([False, True, True, False]), "own.npy", None),
        ({"a": np.array([0, 1, 1, 0])}, "own.npz", None),
        ({"bits": np.array([0, 1, 1, 0]), "requests": np.array([7, 8, 7, 9])}, "own.npz", None),
        ({"b": np.array([0, 1, 1, 0]), "requests": np.array([7, 8, 7, 9])}, "own.npz", "b"),
    ],
)
def test_bits_from_all_kinds_of_files(read, content, name, column):
    assert read("bits", content, name, column=column) == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("content", "name", "column"),
    [
        ("2\n4.5\ninf\n-1e3\n", "own.txt", None),
        ("page,next\n7,2\n8,4.5\n7,inf\n9,-1000\n", "trace.csv", "next"),
        (np.array([2, 4.5, np.inf, -1000.0]), "own.npy", None),
    ],
)
def test_arrivals_from_all_kinds_of_files(read, content, name, column):
    assert read("arrivals", content, name, column=column) == [2, 4.5, np.inf, -1000]


@pytest.mark.parametrize(
    ("kind", "content", "name", "column", "message"),
    [
        ("bits", "0\n1\n2\n0\n", "own.txt", None, "own.txt: line 3: 2 is neither 0 nor 1"),
        ("bits", "0\n1\nx\n0\n", "own.txt", None, "own.txt: line 3: 'x' is not a number"),
        ("bits", "0\n1\n1\n", "own.txt", None, "3 values do not match the 4 requests of four"),
        ("bits", "0\n0\n1\n1\n0\n", "own.txt", None, "5 values do not match the 4 requests of four"),
        ("bits", "0\n\n1\n1\n", "own.txt", None, "line 2, column 1: the value is missing"),
        ("bits", "page,bit\n7,0\n8,1\n7,1\n9,-1\n", "t.csv", "bit", "t.csv: column 'bit': line 5: -1 is neither 0"),
        ("bits", "page,bit\n7,0\n8,1\n7,1\n9,1\n", "t.csv", "bits", "no column 'bits' among page, bit"),
        ("bits", "7,0\n8,1\n7,1\n9,1\n", "t.csv", "3", "column 3 of a file with 2 columns"),
        ("bits", np.array([0, 1, 1, 3]), "own.npy", None, "own.npy: 3 at index 3 is neither 0 nor 1"),
        ("bits", np.array([[0, 1], [1, 0]]), "own.npy", None, "shape (2, 2) does not match the 4 requests"),
        ("bits", np.array(["0", "1", "1", "0"]), "own.npy", None, "are neither 0 nor 1"),
        ("bits", {"a": np.zeros(4), "b": np.zeros(4)}, "own.npz", None, "there is no 'bits' among the arrays a, b"),
        ("bits", {"a": np.zeros(4)}, "t.npz", "c", "there is no 'c' among the arrays a"),
        ("bits", "no archive", "own.npz", None, "own.npz: "),
        ("bits", "\0" * 48, "t.oracleGeneral.bin", "bit", "oracleGeneral records have no such column"),
        ("arrivals", "2\n4\nnan\n9\n", "own.txt", None, "line 3, column 1: the value is missing (nan)"),
        ("arrivals", np.array([2, 4, np.nan, 9]), "own.npy", None, "nan at index 2 is no time"),
        ("arrivals", "2\n4\nsoon\n9\n", "own.txt", None, "line 3: 'soon' is not a number"),
    ],
)
def test_bad_files_are_named_with_the_place(read, kind, content, name, column, message):
    with pytest.raises(ValueError, match=f"^{kind}: ") as refused:
        read(kind, content, name, column=column)
    assert message in str(refused.value)


def test_a_missing_file_and_a_trace_in_memory():
    for source, message in (("nowhere.npy", "no such file"), ("bit", "is no file, and trace 'four' has none")):
        with pytest.raises(ValueError, match=message):
            with_own_predictions([TRACE], [None], "bits", [source])


def test_one_source_for_all_traces_or_one_for_each(tmp_path):
    for name, bits in (("a", [0, 0, 1, 1]), ("b", [1, 1, 0, 0])):
        np.save(tmp_path / f"{name}.npy", np.array(bits))
    a, b = str(tmp_path / "a.npy"), str(tmp_path / "b.npy")
    told = with_own_predictions([TRACE, TRACE], [None, None], "bits", [a])
    assert [t.bits.tolist() for t in told] == [[0, 0, 1, 1]] * 2
    told = with_own_predictions([TRACE, TRACE], [None, None], "bits", [a, b])
    assert [t.bits.tolist() for t in told] == [[0, 0, 1, 1], [1, 1, 0, 0]]
    with pytest.raises(ValueError, match="bits: 2 sources for 3 traces"):
        with_own_predictions([TRACE] * 3, [None] * 3, "bits", [a, b])
