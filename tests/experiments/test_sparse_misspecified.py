"""The experiment of sparse misspecified bandits: its cells, its claims and its figures."""

import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.papers import sparse_misspecified
from experiments.papers.sparse_misspecified import EXPERIMENT
from experiments.plots import render


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.extended
@pytest.mark.slow
def test_claims_tables_and_figures_of_a_small_run(monkeypatch):
    monkeypatch.setattr(sparse_misspecified, "_HORIZONS", 2000)
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = {**one, "runs": min(one["runs"], 2)}
        if one["part"] == "barrier" and (16 < one["value"] < 128 or one["method"] in ("isolation", "sparse fit")):
            continue
        if (one["part"] == "methods" and one["value"] > 4) or (one["part"] == "queries" and one["eps"] < 0.1):
            continue
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    assert [claim.statement for claim in claims[:7] if claim.verdict != "holds"] == []
    assert {claim.guarantee for claim in claims} >= {"elimination_gap_bound", "needle_query_bound"}
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == ["barrier", "queries", "needles", "regret"]
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [3, 7]


def test_a_cell_follows_from_its_seed_alone():
    cell = next(one for one in EXPERIMENT.cells("quick") if one["part"] == "methods") | {"runs": 2}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["gap"].equals(other["gap"])
