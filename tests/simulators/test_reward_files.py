"""Tables of rewards and logs from CSV and Parquet: read as written, and the first bad value named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import AdversarialRewards, LoggedArms

TABLE = [[0.5, 1.0, 0.25], [0.0, 1e-3, 1.0]]
CSV = "a,b,c\n0.5,1,0.25\n0,1e-3,1.0\n"


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (CSV, {}),
        (CSV.replace("\n", "\r\n"), {}),
        ("\ufeff" + CSV, {}),
        (CSV + "\n  \n", {}),
        (CSV.split("\n", 1)[1], {}),
        (CSV.replace(",", ";"), {"delimiter": ";"}),
        (CSV.replace("a,", '"a",').replace("0.5", '" 0.5"'), {}),
        ("1,2,3\n" + CSV.split("\n", 1)[1], {"header": True}),
        ("c,x,a,b\n0.25,9,0.5,1\n1.0,oops,0,1e-3\n", {"columns": ["a", "b", "c"]}),
    ],
)
def test_every_way_to_write_a_table_gives_the_same_rewards(tmp_path, content, options):
    path = tmp_path / "rewards.csv"
    path.write_bytes(content.encode())
    assert AdversarialRewards.from_file(path, **options).rewards.tolist() == TABLE


@given(st.lists(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=2), min_size=1, max_size=20))
def test_written_and_read_again_is_the_same(tmp_path_factory, rows):
    folder, frame = tmp_path_factory.mktemp("rewards"), pd.DataFrame(rows, columns=["left", "right"])
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert AdversarialRewards.from_file(folder / name).rewards.tolist() == rows


def test_parquet_columns_are_chosen_by_name_and_whole_numbers_are_numbers(tmp_path):
    frame = pd.DataFrame({"who": ["x", "y"], "b": [1, 0], "a": [0.5, 0.25]})
    frame.to_parquet(tmp_path / "t.pq")
    read = AdversarialRewards.from_file(tmp_path / "t.pq", columns=["a", "b"])
    assert read.rewards.tolist() == [[0.5, 1.0], [0.25, 0.0]]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (CSV.replace("1e-3", "x"), {}, r"line 3, column 2 \(b\): 'x' is no finite number"),
        (CSV.replace("1e-3", ""), {}, r"line 3, column 2 \(b\): empty is no finite number"),
        (CSV.replace("1e-3", "nan"), {}, r"line 3, column 2 \(b\): 'nan' is no finite number"),
        (CSV.replace("0.25", "inf"), {}, r"line 2, column 3 \(c\): 'inf' is no finite number"),
        (CSV.replace("0.25", "1_0"), {}, r"line 2, column 3 \(c\): '1_0' is no finite number"),
        ("0.5,0.x\n1,1\n", {}, r"line 1, column 2: '0.x' is no finite number"),
        (CSV.replace("0.25", "0.25,7"), {}, "line 2: 4 columns where 3 are expected"),
        ("a,b,c\n\n0,1,1\n", {}, "line 2: 1 columns where 3 are expected"),
        (CSV, {"columns": ["a", "d"]}, "no column 'd' among a, b, c"),
        (CSV.replace("c", "a", 1), {"columns": ["a"]}, "more than one column 'a'"),
        (CSV, {"columns": []}, "columns: an empty list"),
        ("a,b\n", {}, "holds a header and no line of numbers"),
        ("\n\n", {}, "holds no line"),
        (CSV, {"delimiter": ""}, "delimiter: '' is not one character"),
        (CSV, {"format": "xls"}, "format: 'xls' is not one of csv, parquet"),
        (CSV, {"format": "parquet"}, "no Parquet file"),
    ],
)
def test_the_first_bad_value_is_named(tmp_path, content, options, message):
    path = tmp_path / "rewards.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        AdversarialRewards.from_file(path, **options)


def test_bad_values_in_parquet_are_named_by_row(tmp_path):
    pd.DataFrame({"a": [1.0, 2.0], "b": [0.5, np.nan]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"row 2, column 2 \(b\): missing is no finite number"):
        AdversarialRewards.from_file(tmp_path / "t.parquet")
    pd.DataFrame({"a": ["x"]}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(ValueError, match=r"column 1 \(a\) holds .*string, no numbers"):
        AdversarialRewards.from_file(tmp_path / "s.parquet")
    pd.DataFrame({"a": np.array([], dtype=float)}).to_parquet(tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="holds no row"):
        AdversarialRewards.from_file(tmp_path / "e.parquet")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        AdversarialRewards.from_file(tmp_path)
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(ValueError, match="byte 5: not UTF-8"):
        AdversarialRewards.from_file(tmp_path / "t.csv")
    with pytest.raises(FileNotFoundError):
        AdversarialRewards.from_file(tmp_path / "none.csv")


def test_logs_are_read_by_the_names_of_their_columns(tmp_path):
    frame = pd.DataFrame({"time": [1, 2, 3], "arm": [0, 1, 0], "reward": [0.5, 1.0, 0.0]})
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.rename(columns={"arm": "ad", "reward": "click"}).to_parquet(tmp_path / "log.parquet")
    expected = LoggedArms([0, 1, 0], [0.5, 1.0, 0.0], "rejection")
    assert LoggedArms.from_file(tmp_path / "log.csv", replay="rejection") == expected
    assert LoggedArms.from_file(tmp_path / "log.parquet", arm="ad", reward="click", replay="rejection") == expected
    with pytest.raises(ValueError, match="no column 'ad' among time, arm, reward"):
        LoggedArms.from_file(tmp_path / "log.csv", arm="ad")
    (tmp_path / "bad.csv").write_text("arm,reward\n0,1\nx,0\n")
    with pytest.raises(ValueError, match=r"line 3, column 1 \(arm\): 'x'"):
        LoggedArms.from_file(tmp_path / "bad.csv")
    (tmp_path / "half.csv").write_text("arm,reward\n0,1\n0.5,0\n")
    with pytest.raises(ValueError, match=r"half.csv: line 3, column 1 \(arm\): '0.5' is no whole number >= 0"):
        LoggedArms.from_file(tmp_path / "half.csv")
    pd.DataFrame({"arm": [0.0, -1.0], "reward": [1, 0]}).to_parquet(tmp_path / "half.parquet")
    with pytest.raises(ValueError, match=r"row 2, column 1 \(arm\): -1 is no whole number >= 0"):
        LoggedArms.from_file(tmp_path / "half.parquet")
