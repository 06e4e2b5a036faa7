"""The command, as a user meets it: through its output, its exit code and its files."""

import gzip
import shutil
from importlib.resources import as_file, files
from xml.etree import ElementTree

import numpy as np
import pytest

from algos import discard_bits, next_use
from experiments.bandit_baselines import BASELINES
from experiments.shares import read_cache_sizes
from simulators import ZipfTrace


@pytest.fixture
def trace_file(tmp_path):
    path = tmp_path / "trace.csv"
    requests = np.random.default_rng(0).zipf(1.5, 3000) % 200
    path.write_text("time,page\n" + "".join(f"{t},p{page}\n" for t, page in enumerate(requests)))
    return path


PAGING = ("paging", "{trace}", "--column", "page")


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
    assert text.count("holds") == 9
    page = (out / "report.html").read_text()
    ElementTree.fromstring((out / "figures" / "paging-miss_ratio_trace.svg").read_bytes())
    assert "<svg" in page
    assert "regretlab paging trace.csv --cache-size 10,50" in page
    code, again, _ = regretlab("verify", out)
    assert code == 0
    assert "14 cells are whole; 10 were run again and are bit-identical" in again


@pytest.mark.extended
@pytest.mark.slow
def test_paging_compares_policies_of_every_kind(regretlab, trace_file, tmp_path):
    # All of them would compile for minutes; that each one runs is tested with the policies.
    out = tmp_path / "out"
    names = ["LRU", "Marker", "Mark0", "MarkAndPredict", "BlindOracle", "LMarker", "RobustMark0"]
    words = ("paging", trace_file, "--cache-size", "10", "--column", "page", "--algorithms", ",".join(names))
    words = (*words, "--curve", "all")
    code, text, _ = regretlab(*words, "--replications", "20", "--out", out)
    assert code == 0
    for policy in names:
        assert f"\n{policy}" in text
    assert "\nMark0, true bits" in text
    assert "\nLMarker, sigma = 5" in text
    assert "fails" not in text
    assert "undecided" not in text
    assert regretlab("verify", out, "--sample", "5")[0] == 0


@pytest.mark.parametrize(
    ("name", "cache_size", "lru", "fifo", "optimum"),
    [
        ("web07", 1024, 37_631, 39_675, 27_617),
        ("web12", 687, 38_245, 41_826, 24_221),
        ("orm_busy", 3817, 793_473, 841_758, 490_801),
    ],
)
def test_paging_counts_what_libcachesim_counts(regretlab, tmp_path, name, cache_size, lru, fifo, optimum):
    with as_file(files("simulators") / "data" / f"cache2k_{name}.npz") as path:
        words = ("paging", path, "--cache-size", cache_size, "--algorithms", "LRU,FIFO", "--out", tmp_path / "out")
        code, text, _ = regretlab(*words)
    assert code == 0
    counted = {line.split()[0]: line.removesuffix("\n") for line in text.splitlines()[2:5]}
    for policy, faults in (("LRU", lru), ("FIFO", fifo), ("Belady", optimum)):
        assert f" {faults:,} " in counted[policy]


@pytest.fixture
def predicted_file(tmp_path):
    """A trace with predicted bits and times of the next request, all right."""
    pages = ZipfTrace(50, 0.8, 600).sample(np.random.default_rng(0))
    bits, times = discard_bits(pages.requests, 50, 5), next_use(pages.requests, pages.n_pages)
    rows = zip(pages.pages[pages.requests], bits, times, strict=True)
    path = tmp_path / "predicted.csv"
    path.write_text("page,bit,next\n" + "".join(f"p{page},{bit},{time}\n" for page, bit, time in rows))
    return path


def table_of(text, policy):
    """The words of a policy's row in the first table."""
    line = next(line for line in text.splitlines() if line.startswith(f"{policy} "))
    return line.removeprefix(policy).split()


def test_a_trained_predictor_is_evaluated_from_columns_and_from_files(regretlab, predicted_file, tmp_path):
    words = ("paging", predicted_file, "--cache-size", "5", "--column", "page", "--algorithms", "Mark0,BlindOracle")
    code, text, _ = regretlab(*words, "--bits", "bit", "--arrivals", "next", "--out", tmp_path / "right")
    assert code == 0
    optimum = table_of(text, "Belady (offline optimum)")[0]
    for policy in ("Mark0, own bits", "BlindOracle, own arrivals"):
        faults, _, ratio, bound, *errors = table_of(text, policy)[:-1]
        assert (faults, ratio, bound) == (optimum, "1.000", "1.000")
        assert set(errors) == {"0"}
    assert "with true bits, faults = OPT" in text
    wrong = np.array([line.split(",")[1] == "0" for line in predicted_file.read_text().splitlines()[1:]])
    np.save(tmp_path / "wrong.npy", wrong)
    code, text, _ = regretlab(*words, "--bits", tmp_path / "wrong.npy", "--out", tmp_path / "wrong")
    assert code == 0
    *_, eta0, eta1, _ = table_of(text, "Mark0, own bits")
    assert (int(eta0), int(eta1)) == (np.count_nonzero(~wrong), np.count_nonzero(wrong))
    assert "--bits wrong.npy" in (tmp_path / "wrong" / "report.html").read_text()
    assert regretlab("verify", tmp_path / "wrong")[0] == 0
    np.save(tmp_path / "wrong.npy", ~wrong)
    assert "comes with other predictions" in refused(regretlab, "verify", tmp_path / "wrong")


def test_all_options_together_write_hits_and_resume(regretlab, predicted_file, tmp_path):
    hits = tmp_path / "hits.npz"
    words = (
        *("paging", predicted_file, "--cache-size", "5,50%", "--column", "page", "--out", tmp_path / "out"),
        *("--algorithms", "LRU,FlushWhenAllZeros,BlindOracle", "--predictor", "AdversarialBits:budget=9,HistoryBits"),
        *("--predictor", "PopularityArrivals", "--flip", "0.2", "--sigma", "3", "--warmup", "10%", "--curve", "log"),
        *("--replications", "2", "--hits-out", hits),
    )
    code, text, _ = regretlab(*words)
    assert code == 0
    assert "predicted, 5 pages, after 60 requests" in text
    for told in ("AdversarialBits:budget=9", "HistoryBits", "20% of bits flipped"):
        assert table_of(text, f"FlushWhenAllZeros, {told}")
    for told in ("PopularityArrivals", "sigma = 3"):
        assert table_of(text, f"BlindOracle, {told}")
    with np.load(hits) as archive:
        assert len(archive.files) == 2 * (2 + 3 + 2)
        vector = archive["predicted, 5 pages, LRU"]
    assert np.count_nonzero(~vector[60:]) == int(table_of(text, "LRU")[0].replace(",", ""))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "--sigma 3 --replications 2 --column page --warmup 10% --curve log" in page
    ElementTree.fromstring((tmp_path / "out" / "figures" / "paging-curve_predicted.svg").read_bytes())
    assert regretlab(*words)[:2] == (code, text)
    code, again, _ = regretlab("verify", tmp_path / "out", "--sample", "20")
    assert "all 16 cells are whole; 16 were run again and are bit-identical" in again


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
    assert "unknown algorithm 'LRV'; there are ARC, Belady, " in err
    assert "UCB1" not in err


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
        ((*PAGING, "--cache-size", "0"), "cache_size: '0' is neither a whole number >= 1 nor a share"),
        ((*PAGING, "--cache-size", "5", "--predictor", "Oracle"), "unknown 'Oracle'; there are AdversarialBits"),
        (
            (*PAGING, "--cache-size", "5", "--predictor", "AdversarialBits:budget=-1"),
            "AdversarialBits: budget = -1: should be greater than or equal to 0",
        ),
        (
            (*PAGING, "--cache-size", "5", "--predictor", "AdversarialBits:bugdet=1"),
            "no parameter 'bugdet'; its parameters are cache_size, budget",
        ),
        ((*PAGING, "--cache-size", "5", "--sigma", "-1"), "sigma: -1.0 is not a number >= 0"),
        ((*PAGING, "--cache-size", "5", "--sigma", "low"), "--sigma: 'low' is not a number"),
        ((*PAGING, "--cache-size", "5", "--bits", "url"), "no column 'url' among time, page"),
        ((*PAGING, "--cache-size", "5", "--bits", "page"), "line 2: 'p"),
        ((*PAGING, "--cache-size", "5", "--bits", "time"), "line 4: 2 is neither 0 nor 1"),
        ((*PAGING, "--cache-size", "5", "--bits", "gone.npy"), "gone.npy: no such file"),
        ((*PAGING, "--cache-size", "5", "--bits", "{short}"), "2 values do not match the 3000 requests"),
        ((*PAGING, "--cache-size", "5", "--arrivals", "{short}"), "2 values do not match the 3000 requests"),
        ((*PAGING, "--cache-size", "5", "--warmup", "3000"), "warmup: 3000 leaves none of the 3000 requests"),
        ((*PAGING, "--cache-size", "5", "--warmup", "100%"), "warmup: '100%' is neither a whole number >= 0 nor"),
        ((*PAGING, "--cache-size", "5", "--curve", "some"), "curve: 'some' is not one of log, all"),
        ((*PAGING, "--cache-size", "5", "--hits-out", "hits.csv"), "hits_out: hits.csv does not end in .npz"),
        ((*PAGING, "--cache-size", "5", "--hits-out", "no/hits.npz"), "hits_out: no is no folder"),
        (("run", "paging_sucinct"), "unknown experiment 'paging_sucinct'; there are autobidding, bandit_baselines"),
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
    short = tmp_path / "short.txt"
    short.write_text("1\n0\n")
    filled = [word.format(trace=trace_file, folder=tmp_path, short=short) for word in words]
    assert message in refused(regretlab, *filled)


@pytest.mark.parametrize("share", ["0%", "101%", "nan%", "-3%", "%", "1e3", "2.5", "", "ten"])
def test_cache_sizes_that_mean_nothing(share):
    with pytest.raises(ValueError, match="cache_size"):
        read_cache_sizes([share], n_pages=100)


def test_cache_sizes_are_sorted_and_distinct():
    assert read_cache_sizes(["10%", 3, "10", 250], n_pages=100) == [3, 10, 250]


@pytest.mark.slow
def test_a_registered_experiment_runs_reports_and_verifies(regretlab, tmp_path, monkeypatch):
    # Three policies of some thirty; the demo runs all of them, and the other experiments.
    for name in set(BASELINES) - {"UniformRandom", "UCB1", "ThompsonSampling"}:
        monkeypatch.delitem(BASELINES, name)
    out = tmp_path / "r1"
    code, text, _ = regretlab("run", "bandit_baselines", "--out", out)
    assert code == 0
    assert "fails" not in text
    assert "undecided" not in text
    assert regretlab("report", out)[0] == 0
    for svg in (out / "figures").glob("*.svg"):
        ElementTree.fromstring(svg.read_bytes())
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == 2
    assert page.count("regretlab run bandit_baselines --scale quick --seed 0 --out DIR") == 2  # below each figure
    shutil.rmtree(out / "figures")
    assert regretlab("report", out)[0] == 0
    assert (out / "report.html").read_text() == page
    assert regretlab("verify", out, "--sample", "3")[0] == 0
