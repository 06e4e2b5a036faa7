"""The experiment of tallying worlds: its cells, its claims and its figures."""

import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.papers import weighted_tallying
from experiments.papers.weighted_tallying import EXPERIMENT
from experiments.plots import render


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.extended
@pytest.mark.slow
def test_claims_tables_and_figures_of_a_small_run(monkeypatch):
    # Shorter, where the closed form does not need the whole horizon, and without policies that compile for long.
    monkeypatch.setattr(weighted_tallying, "_horizon", lambda cell: 100_000 if cell["part"] == "loose bound" else 3000)
    frames = []
    for one in EXPERIMENT.cells("quick"):
        late = one["algorithm"] in ("batched Exp3", "ETC with burn-in", "Thompson sampling")
        weighing = one["part"] in ("weights", "needle") and one["algorithm"] in ("UCB1", "Exp3")
        if late or weighing or (one["part"] == "needle" and one["parameter"] > 6):
            continue
        small = {**one, "runs": min(one["runs"], 2)}
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    assert [claim.statement for claim in claims[:4] if claim.verdict != "holds"] == []
    assert claims[3].guarantee == "tallying_elimination_bound"
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == ["instances", "memories", "needle"]
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [24, 3, 9]
    assert len(EXPERIMENT.summary(results)) == 2


def test_a_cell_follows_from_its_seed_alone():
    cell = EXPERIMENT.cells("quick")[0] | {"runs": 3}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["regret"].equals(other["regret"])
