"""The experiment of bilevel penalties: its claims, tables and figures from a small run."""

import numpy as np
import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.claims import Interval
from experiments.papers import bilevel_penalty
from experiments.papers.bilevel_penalty import EXPERIMENT
from experiments.papers.bilevel_penalty_methods import CONTENDERS, SHARES, instance_of
from experiments.plots import render

SIZES = {"noise": 2, "single": 2, "momentum": 2, "toy": 4, "methods": 2000}
COMPARED = ("Algorithm 1", "Algorithm 1, safe", "AID", "V-PBGD", "BOME")  # compiling the others takes a minute


def small(cell):
    shorter = {"single": "10000", "momentum": "10000"}.get(cell["part"], cell["instance"])
    return {**cell, "instance": shorter, "runs": SIZES.get(cell["part"], 1)}


@pytest.fixture(scope="module")
def results():
    """Cells of the quick scale cut short; E8 for some methods on one problem, which stands for the other as well."""
    frames = []
    for one in EXPERIMENT.cells("quick"):
        if one["part"] == "methods" and (one["algorithm"] not in COMPARED or one["instance"] != "quadratic"):
            continue
        cell = small(one)
        frames.append(EXPERIMENT.run(cell, 1).assign(**cell))
        assert frames[-1].attrs["seconds"] >= 0.0
        if one["part"] == "methods":
            frames.append(frames[-1].assign(instance="ridge"))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.slow
@pytest.mark.extended
def test_claims_tables_and_figures_of_a_small_run(results):
    claims = EXPERIMENT.claims(results)
    assert len(claims) == 30
    noisy = ("E3", "E4", "E8")
    sure = [claim for claim in claims if not claim.statement.startswith(noisy)]
    assert [claim.statement for claim in sure if claim.verdict != "holds"] == []
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == ["closeness", "complexity", "noise", "momentum", "toy", "methods"]
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [3, 3, 12, 3, len(CONTENDERS)]
    assert len(EXPERIMENT.summary(results)) == 5


@pytest.mark.slow
@pytest.mark.extended
@pytest.mark.parametrize(
    ("part", "column", "change", "failing"),
    [
        ("closeness", "value_gap", lambda rows: rows["value_gap"] / rows["s"], 2),
        ("complexity", "steps", lambda rows: rows["steps"] ** 1.2, 3),
        ("cleaning", "accuracy", lambda rows: 0.8 + 0 * rows["accuracy"], 2),
        ("tolls", "value", lambda rows: rows["value"] + 0.01, 2),
        ("toy", "distance", lambda rows: rows["distance"] ** 1.2, 2),
        ("momentum", "square", lambda rows: 1.0 + 0 * rows["square"], 2),
        ("noise", "square", lambda rows: 81.0 + 0 * rows["square"], 4),
    ],
)
def test_claims_fail_on_other_data(results, part, column, change, failing):
    here = results["part"] == part
    bent = results.copy()
    bent.loc[here, column] = change(results[here])
    before = [claim.verdict for claim in EXPERIMENT.claims(results)]
    after = [claim.verdict for claim in EXPERIMENT.claims(bent)]
    worse = [new for old, new in zip(before, after, strict=True) if new == "fails" and old != "fails"]
    assert len(worse) == failing


@pytest.mark.parametrize(("eps", "algorithm", "steps"), [("0.1", "alpha = sigma", 550), ("0.05", "alpha = 0.5", 188)])
def test_first_steps_are_exact(eps, algorithm, steps):
    cell = {"part": "complexity", "instance": eps, "algorithm": algorithm, "runs": 1}
    assert EXPERIMENT.run(cell, 0)["steps"].tolist() == [steps]


def test_a_cell_follows_from_its_seed_alone():
    cell = {"part": "closeness", "instance": "ridge", "algorithm": "penalty", "runs": 1}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["value_gap"].equals(other["value_gap"])


@pytest.mark.parametrize(
    ("target", "distance"), [(1.5, (0.0, 0.0, 0.5)), (0.0, (1.5, 1.0, 2.0)), (3.0, (1.5, 1.0, 2.0))]
)
def test_distance_of_an_interval_from_a_target(target, distance):
    found = bilevel_penalty._off(Interval(1.5, 1.0, 2.0, "exact"), target)
    assert (found.estimate, found.low, found.high) == distance


@pytest.mark.parametrize("name", ["quadratic", "ridge", "logistic", "cleaning"])
def test_lower_steps_are_stable_at_the_start(name):
    """One over the smoothness of g at the start or less: the gradient map y - step grad g does not expand."""
    rng = np.random.default_rng(0)
    problem, step, upper_steps, _ = instance_of(name, rng)
    assert len(upper_steps) == len(SHARES)
    x, v = problem.start[0], rng.standard_normal(problem.lower_dimension)
    for _ in range(30):  # the power method
        v = problem.lower_hessian_product(x, problem.start[1], v / np.linalg.norm(v))
    assert np.linalg.norm(v) * step <= 1.0
