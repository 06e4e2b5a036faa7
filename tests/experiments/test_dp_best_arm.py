"""The experiment of private best-arm identification: its cells, its streams, its claims and its figures."""

import numpy as np
import pandas as pd
import pytest

from algos.streams import canonical_json
from bandits import two_arm_error
from experiments.papers import dp_best_arm
from experiments.papers.dp_best_arm import EXPERIMENT, instance, interval_of
from experiments.plots import render


def cell(part="linear", world="norm 10", budget=300, epsilon=0.1, replications=40):
    return {"part": part, "instance": world, "budget": budget, "epsilon": epsilon, "replications": replications}


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct_and_every_part_is_there(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)
    assert {one["part"] for one in cells} == {"linear", "unstructured", "budget", "noise"}


def test_a_cell_follows_from_its_seed_alone():
    first, again, other = (EXPERIMENT.run(cell(), seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["errors"].equals(other["errors"])
    assert instance("norm 10", 3) == instance("norm 10", 3) != instance("norm 10", 4)
    assert instance("sphere 20, 4", 0).features.shape == (20, 4)


def test_bounds_stand_beside_the_errors():
    frame = EXPERIMENT.run(cell("unstructured", "staircase", 3000, 0.5), 0).set_index("algorithm")
    assert 0 < frame.loc["DP-BAI", "bound"] < frame.loc["DP-BAI", "closed_bound"] < 1
    assert frame.loc["halving", "bound"] == 1
    noise = EXPERIMENT.run(cell("noise", budget=100_000), 0).set_index("algorithm")
    assert noise.loc["Laplace", "bound"] < noise.loc["Gaussian, delta 1e-06", "bound"] < 1


def test_the_budget_that_is_found_is_where_the_error_is_the_target():
    row = EXPERIMENT.run(cell("budget", "staircase", 0, 0.3), 0).iloc[0]
    for budget, side in ((row["two_arms"], 1), (row["two_arms"] / 1.05, -1)):
        assert side * (dp_best_arm.TARGET - two_arm_error([0.6, 0.5], round(budget), 0.3)) >= 0
    assert row["two_arms"] < row["two_arms_by_bound"]
    assert row["simulated"] < row["by_bound"]


def test_intervals_hold_the_share():
    found = interval_of({"errors": 3, "replications": 40})
    assert found.low < found.estimate == 3 / 40 < found.high


@pytest.mark.extended
def test_claims_and_figures_of_a_small_run():
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = {**one, "replications": 30}
        far = one["budget"] not in (1000, 5000) and one["instance"] in ("norm 10", "sphere 64, 9", "sphere 300, 12")
        if (far and one["part"] == "linear") or (one["part"] == "budget" and 0.01 < one["epsilon"] < 3):
            continue
        if one["instance"] == "sphere 1000, 5" and one["budget"] != 20_000:
            continue
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    assert {claim.guarantee for claim in claims} >= {"dp_bai_bound", "dp_bai_gauss_bound"}
    assert [claim.statement for claim in claims if claim.verdict == "fails"] == []
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == ["norm_ten", "spheres", "unstructured", "budget", "noise"]
    for figure in figures:
        assert render(figure.figure, "svg")
        for axes in figure.figure.axes:
            assert axes.get_xlabel()
    assert len(EXPERIMENT.tables(results)) == 3
    assert all("%" in sentence for sentence in EXPERIMENT.summary(results))
    assert np.isfinite([claim.measured.estimate for claim in claims]).all()
