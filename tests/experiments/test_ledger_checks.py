"""Checks of the ledger: the comparison that counts, verdicts, and that every guarantee has one that holds."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from typer.testing import CliRunner

from algos import guarantees
from algos.guarantees import guarantee, ledger
from experiments import commands, ledger_checks, registry
from experiments.checks.slopes import slope_between
from experiments.claims import exact, share_interval
from experiments.ledger_checks import (
    Comparison,
    agreement,
    agreement_of_means,
    agreement_of_shares,
    check_ledger,
    checks,
    tightest,
    tightest_mean,
    tightest_share,
    worst,
)
from tests.test_ledger import PACKAGES


@pytest.fixture
def made_up(monkeypatch):
    """A ledger and checks of this test's own."""
    monkeypatch.setattr(guarantees, "_LEDGER", {})
    monkeypatch.setattr(ledger_checks, "_CHECKS", {})
    monkeypatch.setattr(registry, "load_all", lambda: None)
    monkeypatch.setattr(ledger_checks, "_load", lambda: None)

    def make(name, check=None):
        def bound():
            """Something is at most 1."""

        bound.__name__ = name
        guarantee("nowhere", kind="upper", algorithm="Nothing")(bound)
        if check is not None:
            checks(name)(check)

    return make


def test_the_pair_with_least_room_is_reported():
    found = tightest("<=", [(3, 10), (8, 9), (0, 1)])
    assert (found.measured.estimate, found.bound, found.instances) == (8, 9, 3)
    assert tightest(">=", [(3, 2), (30, 10)]).bound == 2
    assert tightest("=", [(1, 1), (2, 3)]).bound == 3
    assert tightest("<=", [(5, float("inf")), (1, 100)]).bound == 100


def test_a_failure_counts_before_anything_else():
    fails = Comparison("<=", exact(101.0), 100.0, 1)
    assert worst([Comparison("<=", exact(1.0), 1.0, 1), fails]).bound == 100.0


def test_a_check_of_nothing_is_refused():
    with pytest.raises(ValueError, match="there is none"):
        tightest("<=", [])
    with pytest.raises(ValueError, match="shapes"):
        agreement([([1.0, 2.0], [1.0])], 1e-9)


def test_identities_allow_for_rounding_alone():
    found = agreement([([1.0, 1e9], [1.0, 1e9 + 1]), (0.0, 1e-12)], 1e-8)
    assert found.measured.estimate == pytest.approx(1e-9, rel=1e-3)
    assert found.instances == 2


def test_means_come_with_intervals():
    samples = np.random.default_rng(0).normal(size=100)
    found = tightest_mean("<=", [(samples, 10.0), (samples, 1.0)])
    assert found.bound == 1.0
    assert found.instances == 200
    assert found.measured.low < 0.0 < found.measured.high


def verdict(found):
    return ledger_checks._claim(found, "").verdict


def test_shares_are_compared_by_exact_intervals():
    assert [verdict(tightest_share("<=", [(0, 200, bound)])) for bound in (0.08, 0.06)] == ["holds", "undecided"]
    assert verdict(tightest_share("<=", [(150, 200, 0.5)])) == "fails"
    found = tightest_share(">=", [(150, 200, 0.5), (200, 200, 0.5)])
    assert (found.measured.estimate, found.instances) == (0.75, 400)


@pytest.mark.parametrize(("trials", "chance", "level"), [(10, 0.3, 0.9), (50, 0.02, 0.99), (7, 0.5, 0.5)])
def test_share_intervals_keep_their_level_at_every_probability(trials, chance, level):
    law = binom.pmf(np.arange(trials + 1), trials, chance)
    found = [share_interval(count, trials, level=level) for count in range(trials + 1)]
    covered = [one.low <= chance <= one.high for one in found]
    assert law @ covered >= level
    oracle = [binomtest(count, trials).proportion_ci(level, "exact") for count in range(trials + 1)]
    assert [(one.low, one.high) for one in found] == [pytest.approx((one.low, one.high), abs=1e-12) for one in oracle]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: share_interval(3, 2), "successes: 3 is more than the 2 trials"),
        (lambda: share_interval(-1, 2), "successes"),
        (lambda: share_interval(0, 0), "trials"),
        (lambda: share_interval(0, 1, level=1.0), "level: 1.0"),
    ],
)
def test_bad_shares_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_identities_in_expectation_allow_for_chance_alone():
    samples = np.random.default_rng(0).normal(1.0, 1.0, size=1000)
    assert verdict(agreement_of_means([(samples, 1.0)])) == "holds"
    assert verdict(agreement_of_means([(samples, 1.0), (samples, 1.3)])) == "fails"
    assert verdict(agreement_of_shares([(300, 1000, 0.3), (260, 1000, 0.3)])) == "holds"
    assert verdict(agreement_of_shares([(300, 1000, 0.3), (200, 1000, 0.3)])) == "fails"
    assert verdict(agreement_of_shares([(0, 1000, 0.05)])) == "fails"


def test_slopes_come_with_intervals():
    rng = np.random.default_rng(0)
    first, second = 8.0 + rng.random(500), 1.0 + rng.random(500) / 8.0
    found = slope_between(first, second, 8.0)
    assert found.estimate == pytest.approx(-1.0, abs=0.01)
    assert found.low < -1.0 < found.high < found.low + 0.1
    with pytest.raises(ValueError, match="reaches down to 0"):
        slope_between(np.array([1.0, 2.0]), second, 8.0)


def test_verdicts(made_up):
    made_up("holding", lambda rng: tightest("<=", [(1, 2)]))
    made_up("failing", lambda rng: tightest("<=", [(3, 2)]))
    made_up("broken", lambda rng: 1 / 0)
    made_up("bare")
    made_up("noisy", lambda rng: tightest_mean("<=", [([0.0, 2.0, 1.0], 1.0)]))
    found = {one.entry.name: one for one in check_ledger()}
    assert {name: one.verdict for name, one in found.items()} == {
        "holding": "holds", "failing": "fails", "broken": "fails", "bare": "not checked", "noisy": "undecided",
    }  # fmt: skip
    assert "ZeroDivisionError" in found["broken"].error
    assert found["holding"].claim.statement == "Something is at most 1."


def test_the_choice_of_names_and_threads_change_no_draw(made_up):
    for name in "abc":
        made_up(name, lambda rng: tightest("<=", [(rng.random(), 2.0)]))
    everything = {one.entry.name: one.claim for one in check_ledger(seed=3, workers=2)}
    assert check_ledger(["b"], seed=3)[0].claim == everything["b"]
    assert check_ledger(["b"], seed=4)[0].claim != everything["b"]
    assert len(check_ledger(["Nothing"])) == 3
    assert len({claim.measured.estimate for claim in everything.values()}) == 3


def test_unknown_names_and_second_checks_are_refused(made_up):
    made_up("one", lambda rng: tightest("<=", [(1, 2)]))
    with pytest.raises(ValueError, match="two: is neither a guarantee nor an algorithm"):
        check_ledger(["two"])

    def another(rng):
        raise AssertionError

    with pytest.raises(ValueError, match="one: is checked by"):
        checks("one")(another)


@pytest.mark.parametrize(("measured", "code"), [(1, 0), (3, 1)])
def test_the_command_prints_the_table_and_fails_with_a_claim(made_up, measured, code):
    made_up("bounded", lambda rng: tightest("<=", [(measured, 2)]))
    done = CliRunner().invoke(commands.app, ["check"])
    assert done.exit_code == code
    assert "Something is at most 1." in done.stdout
    assert done.stdout.splitlines()[-1] == ("1 fails" if code else "1 holds")


def test_every_guarantee_has_a_check():
    registry.load_all()
    ledger_checks._load()
    names = {entry.name for entry in ledger() if entry.function.__module__.partition(".")[0] in PACKAGES}
    assert sorted(names - set(ledger_checks._CHECKS)) == []


@pytest.mark.extended
def test_every_guarantee_holds():
    assert [(one.entry.name, one.verdict, one.error) for one in check_ledger() if one.verdict != "holds"] == []
