"""The experiment of private optimization: its claims, tables and figures from a small run."""

import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.papers.dp_stationary import EXPERIMENT
from experiments.plots import render


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.slow
@pytest.mark.extended
def test_claims_tables_and_figures_of_a_small_run():
    few = {"rates": 4, "labels": 2, "tables": 2, "convex": 2, "rank": 2, "warm": 2, "audit": 1500}
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = {**one, "runs": few.get(one["part"], 1)}
        here = small | {"instance": "1000"} if one["part"] == "last" else small  # half a minute at its size
        frames.append(EXPERIMENT.run(here, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    assert len(claims) == 25
    noisy = ("rates", "labels", "tables", "rank", "E1", "E3", "E5", "last")
    sure = [claim for claim in claims if not claim.statement.startswith(noisy)]
    assert [claim.statement for claim in sure if claim.verdict != "holds"] == []
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == ["rates", "rank", "accountants"]
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [5, 5, 4, 2, 3, 2, 3, 1]
    assert len(EXPERIMENT.summary(results)) == 6


def test_a_cell_follows_from_its_seed_alone():
    cell = {"part": "rates", "instance": "100", "algorithm": "Private SpiderBoost", "runs": 2}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["error"].equals(other["error"])
