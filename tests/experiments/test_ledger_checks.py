"""Checks of the ledger: the comparison that counts, verdicts, and that every guarantee has one that holds."""

import numpy as np
import pytest
from typer.testing import CliRunner

from algos import guarantees
from algos.guarantees import guarantee, ledger
from experiments import commands, ledger_checks, registry
from experiments.claims import exact
from experiments.ledger_checks import (
    Comparison,
    agreement,
    check_ledger,
    checks,
    tightest,
    tightest_mean,
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
