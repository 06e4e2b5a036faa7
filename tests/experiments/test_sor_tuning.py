"""The experiment of solver tuning, and the command on a folder of systems."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.io import mmwrite

from algos.linear_solvers import Stencil, ssor_pcg
from algos.streams import canonical_json
from experiments.papers.sor_tuning import EXPERIMENT
from experiments.plots import render
from experiments.solver_choice import SolverChoice
from simulators import ShiftedLaplacian2D


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.extended
@pytest.mark.slow
def test_claims_tables_and_figures_of_a_small_run():
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = dict(one)
        if one["part"] in ("shifts", "comparators", "degenerate target"):
            small["count"] = 4
        if one["part"] == "learning":
            small["systems"] = 400
        if one["part"] in ("heat", "regret"):
            small["systems"] = min(300 if one["part"] == "heat" else 10**9, one["systems"] // 10)
        if small.get("size") == 32 or small.get("trial", 0) > 1:
            continue
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    large = [frame.assign(size=32) for frame in frames if "size" in frame]
    results = pd.concat([*frames, *large], ignore_index=True)
    claims = {claim.statement: claim for claim in EXPERIMENT.claims(results)}
    sure = [statement for statement, claim in claims.items() if claim.guarantee]
    assert len(sure) >= 6
    assert [statement for statement in sure if claims[statement].verdict != "holds"] == []
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == [
        *("bounds", "shifts", "comparators", "learning", "degenerate", "gradients", "heat", "regret"),
    ]
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [14, 9]
    assert len(EXPERIMENT.summary(results)) == 2


def test_a_cell_follows_from_its_seed_alone():
    cell = {"part": "learning", "variance": "low", "trial": 0, "systems": 50}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["iterations"].equals(other["iterations"])


# The command


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "systems"
    place.mkdir()
    run, lines = ShiftedLaplacian2D(5).start(np.random.default_rng(0)), ["system,context"]
    for t in range(12):
        system = run.next()
        mmwrite(place / f"s{t:02d}.mtx", system.A.tocsr())
        mmwrite(place / f"s{t:02d}_b.mtx", system.b.reshape(-1, 1))
        lines.append(f"s{t:02d},{system.context!r}")
        run.advance(system.b)
    (place / "contexts.csv").write_text("\n".join(lines) + "\n")
    return place


def regretlab(*words, cwd):
    program = "from experiments.commands import main; main()"
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, cwd=cwd, check=False)


def test_the_costs_are_those_of_the_solver(folder):
    choice = SolverChoice(folder, grid=[1.0, 1.5], repeats=2)
    frame = choice.run({"part": "costs", "place": 1}, 0)
    expected = [ssor_pcg(s.A, s.b, s.x0, 1.5).iterations for s in choice.systems.systems]
    assert frame["iterations"].tolist() == expected
    assert frame["system"].tolist() == [f"s{t:02d}" for t in range(12)]
    assert [cell.get("learner") for cell in choice.cells("quick")[2:]] == ["random", "T-INF", "T-INF-CB", "ChebCB"]
    (folder / "contexts.csv").unlink()
    assert [cell.get("learner") for cell in SolverChoice(folder, grid=[1.0]).cells("quick")[1:]] == ["random", "T-INF"]


@pytest.mark.extended
@pytest.mark.slow
def test_the_command_answers_reports_and_verifies(folder, tmp_path):
    words = ("tune-solver", "systems", "--solver", "sor", "--grid", "1:1.8:3", "--repeats", "2", "--out", "found")
    ended = regretlab(*words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "The best fixed relaxation is omega = 1.4" in ended.stdout
    assert "CPU seconds" in ended.stdout
    assert "best omega of each system" in ended.stdout
    report = (tmp_path / "found" / "report.html").read_text()
    assert "tune-solver systems --solver sor --grid 1,1.4,1.8" in report
    assert str(tmp_path) not in report
    ended = regretlab("verify", "found", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    mmwrite(folder / "s03.mtx", Stencil((5, 5), 9.0).tocsr())
    ended = regretlab("verify", "found", cwd=tmp_path)
    assert ended.returncode == 2
    assert "no longer those that were solved" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "nowhere is no folder"),
        (("systems", "--solver", "lu"), "solver: 'lu' is not one of"),
        (("systems", "--grid", "1:2:3"), "grid: entry 2 is 2"),
        (("systems", "--grid", "1:2"), "--grid: '1:2' is neither"),
        (("systems", "--grid", "1,x"), "--grid: 'x' is not a number"),
        (("systems", "--tolerance", "2"), "tolerance"),
        (("systems", "--repeats", "0"), "repeats"),
    ],
)
def test_bad_options_end_in_one_line(folder, tmp_path, words, message, capsys, monkeypatch):
    from experiments.commands import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["regretlab", "tune-solver", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
