"""The experiment of policy alignment: its claims, tables and figures from a small run."""

import numpy as np
import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.papers.parl_policy_alignment import EXPERIMENT
from experiments.plots import render


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.slow
@pytest.mark.extended
def test_claims_tables_and_figures_of_a_small_run():
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = {**one, "runs": min(one["runs"], {"gradients": 8, "rate": 2}.get(one["part"], 2))}
        if one["part"] in ("rate", "preferences"):
            small["size"] = 200
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    assert len(claims) == 16
    sure = [claim for claim in claims if claim.measured.method == "exact"]
    assert len(sure) == 14
    assert [claim.statement for claim in sure if claim.verdict != "holds"] == []
    assert [claim.statement for claim in claims if claim.verdict == "fails"] == []
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == ["gradients", "utility", "rate", "inner"]
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [16, 3]
    assert len(EXPERIMENT.summary(results)) == 3


def test_a_cell_follows_from_its_seed_alone():
    cell = {"part": "gradients", "instance": "random", "algorithm": "sampled", "runs": 2, "size": 400}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["error"].equals(other["error"])


def test_methods_of_an_instance_meet_the_same_world_and_more_runs_change_none():
    cell = {"part": "gradients", "instance": "random", "algorithm": "penalty", "runs": 1, "size": 0}
    alone, more = EXPERIMENT.run(cell, 5), EXPERIMENT.run({**cell, "runs": 2}, 5)
    pd.testing.assert_frame_equal(alone, more[more["run"] == 0])
    # Halving the weight of central penalties divides the error of the same gradient by the square.
    central = EXPERIMENT.run({**cell, "algorithm": "central penalty"}, 5)
    assert np.polyfit(np.log(central["value"]), np.log(central["error"]), 1)[0] == pytest.approx(2.0, abs=0.1)
