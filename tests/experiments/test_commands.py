"""The command, as a user meets it: through its output, its exit code and its files."""

import gzip
import shutil
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.commands import main
from experiments.trace_comparison import read_cache_sizes


@pytest.fixture
def regretlab(monkeypatch, capsys):
    """Run the command in this process; exit code, standard output, standard error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["regretlab", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def trace_file(tmp_path):
    path = tmp_path / "trace.csv"
    requests = np.random.default_rng(0).zipf(1.5, 3000) % 200
    path.write_text("time,page\n" + "".join(f"{t},p{page}\n" for t, page in enumerate(requests)))
    return path


def refused(regretlab, *words):
    code, out, err = regretlab(*words)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


def test_list_and_guarantees(regretlab):
    code, out, _ = regretlab("list")
    assert code == 0
    for name in ("paging_succinct", "bandit_baselines", "Belady", "UCB1", "ZipfTrace"):
        assert name in out
    code, out, _ = regretlab("guarantees")
    assert code == 0
    assert "E[faults of Mark0] <= OPT + 2 H_k eta0 + eta1" in out


def test_paging_answers_the_question(regretlab, trace_file, tmp_path):
    out = tmp_path / "out"
    code, text, _ = regretlab("paging", trace_file, "--cache-size", "10,50", "--column", "page", "--out", out)
    assert code == 0
    assert "miss ratio" in text
    assert "requests/s" in text
    assert "served best without predictions by" in text
    assert text.count("holds") == 7
    page = (out / "report.html").read_text()
    ElementTree.fromstring((out / "figures" / "paging-miss_ratio_trace.svg").read_bytes())
    assert "<svg" in page
    assert "regretlab paging trace.csv --cache-size 10,50" in page
    code, again, _ = regretlab("verify", out)
    assert code == 0
    assert "14 cells are whole; 10 were run again and are bit-identical" in again


def test_paging_compares_all_policies_there_are(regretlab, trace_file, tmp_path):
    words = (
        "paging",
        trace_file,
        "--cache-size",
        "10",
        "--column",
        "page",
        "--algorithms",
        "all",
        "--out",
        tmp_path / "out",
    )
    code, text, _ = regretlab(*words)
    assert code == 0
    for policy in ("ARC", "Clock", "FlushWhenFull", "LFU", "S3FIFO", "Sieve", "Mark0, true bits", "Belady"):
        assert f"\n{policy}" in text
    assert "UCB1" not in text
    assert "fails" not in text


def test_paging_resumes_and_verify_notices_a_changed_trace(regretlab, trace_file, tmp_path):
    out = tmp_path / "out"
    command = ("paging", trace_file, "--cache-size", "10", "--column", "page", "--algorithms", "LRU", "--out", out)
    first = regretlab(*command)
    assert regretlab(*command)[:2] == first[:2]
    trace_file.write_text("time,page\n1,a\n2,b\n")
    assert "other requests than when the run was made" in refused(regretlab, "verify", out)


def test_report_and_verify_of_a_changed_cell(regretlab, trace_file, tmp_path):
    out = tmp_path / "out"
    regretlab("paging", trace_file, "--cache-size", "10", "--column", "page", "--algorithms", "LRU,FIFO", "--out", out)
    victim = next((out / "cells" / "paging").glob("trace-10-FIFO*"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 3] ^= 4
    victim.write_bytes(content)
    code, text, _ = regretlab("verify", out, "--sample", "0")
    assert code == 1
    assert 'altered: paging {"algorithm":"FIFO"' in text
    assert "missing or damaged" in refused(regretlab, "report", out)


def test_a_negative_cache_size(regretlab, trace_file):
    err = refused(regretlab, "paging", trace_file, "--cache-size=-5", "--column", "page")
    assert "cache_size: '-5' is neither a whole number >= 1 nor a share" in err


def test_an_unknown_algorithm(regretlab, trace_file):
    err = refused(regretlab, "paging", trace_file, "--cache-size", "5", "--column", "page", "--algorithms", "LRV")
    assert "unknown algorithm 'LRV'; there are ARC, Belady, Clock" in err


def test_a_bandit_is_no_eviction_policy(regretlab, trace_file):
    err = refused(regretlab, "paging", trace_file, "--cache-size", "5", "--column", "page", "--algorithms", "UCB1")
    assert "'UCB1' is no eviction policy" in err


def test_an_empty_trace(regretlab, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_text("")
    assert "holds no request" in refused(regretlab, "paging", path, "--cache-size", "5")


def test_a_nan_id(regretlab, tmp_path):
    path = tmp_path / "holes.txt"
    path.write_text("1\n2\nnan\n4\n")
    assert "line 3, column 1: the page id is missing (nan)" in refused(regretlab, "paging", path, "--cache-size", "5")


def test_a_truncated_gzip(regretlab, tmp_path):
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % i for i in range(5000)))[:-200])
    assert "gzip archive is cut or corrupt" in refused(regretlab, "paging", path, "--cache-size", "5")


def test_a_missing_file(regretlab, tmp_path):
    err = refused(regretlab, "paging", tmp_path / "nowhere.txt", "--cache-size", "5")
    assert "No such file" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("paging", "{trace}", "--cache-size", "10,,20"), "empty entry"),
        (("paging", "{trace}", "--cache-size", "10"), "choose one with column="),
        (("paging", "{trace}", "--cache-size", "10", "--column", "url"), "no column 'url' among time, page"),
        (
            ("paging", "{trace}", "--cache-size", "10", "--column", "page", "--flip", "2"),
            r"flip: 2.0 is outside [0, 1]",
        ),
        (("paging", "{trace}", "--cache-size", "10", "--column", "page", "--flip", "x"), "'x' is not a number"),
        (("paging", "{trace}", "{trace}", "--cache-size", "10", "--column", "page"), "two are named 'trace'"),
        (("paging", "{trace}", "--cache-size", "10", "--column", "page", "--replications", "0"), "replications: 0"),
        (("paging", "{trace}"), "cache-size"),
        (("run", "paging_sucinct"), "unknown experiment 'paging_sucinct'; there are bandit_baselines"),
        (("run", "paging_succinct", "--scale", "huge"), "scale: 'huge' is not one of quick, paper"),
        (("run", "paging_succinct", "--seed", "-1"), "seed: -1 is below 0"),
        (("run", "paging_succinct", "--workers", "0"), "workers: 0 is below 1"),
        (("report", "{folder}"), "no manifest.json here"),
        (("verify", "{folder}"), "no manifest.json here"),
        (("frobnicate",), "No such command"),
        (("list", "--fast"), "No such option"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(regretlab, trace_file, tmp_path, words, message):
    filled = [word.format(trace=trace_file, folder=tmp_path) for word in words]
    assert message in refused(regretlab, *filled)


@pytest.mark.parametrize("share", ["0%", "101%", "nan%", "-3%", "%", "1e3", "2.5", "", "ten"])
def test_cache_sizes_that_mean_nothing(share):
    with pytest.raises(ValueError, match="cache_size"):
        read_cache_sizes([share], n_pages=100)


def test_cache_sizes_are_sorted_and_distinct():
    assert read_cache_sizes(["10%", 3, "10", 250], n_pages=100) == [3, 10, 250]


@pytest.mark.slow
def test_registered_experiments_run_report_and_verify(regretlab, tmp_path):
    out = tmp_path / "r1"
    code, text, _ = regretlab("run", "paging_succinct", "bandit_baselines", "--out", out)
    assert code == 0
    assert "fails" not in text
    assert "undecided" not in text
    assert regretlab("report", out)[0] == 0
    for svg in (out / "figures").glob("*.svg"):
        ElementTree.fromstring(svg.read_bytes())
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == 3
    assert page.count("regretlab run paging_succinct --scale quick --seed 0 --out DIR") == 2
    shutil.rmtree(out / "figures")
    assert regretlab("report", out)[0] == 0
    assert (out / "report.html").read_text() == page
    assert regretlab("verify", out, "--sample", "3")[0] == 0
