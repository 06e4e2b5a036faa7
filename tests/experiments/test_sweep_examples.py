"""The examples of `regretlab init-sweep`: each one runs."""

import tomllib

import pytest

from experiments import Sweep, results, run_experiments
from experiments.sweep_examples import sweep_example, sweep_families

TINY = {"best_arm": [150, 300], "private": [2, 4], "solver_tuning": 6, "gradient_coding": 12}


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        name if name in ("bandits", "paging") else pytest.param(name, marks=pytest.mark.extended)
        for name in sweep_families()
    ],
)
def test_an_example_runs_at_tiny_size(family, tmp_path):
    content = tomllib.loads(sweep_example(family)) | {"horizon": TINY.get(family, 60), "replications": 2}
    content["simulators"] = content["simulators"][:1]  # each pair of a learner and a world compiles
    sweep = Sweep(content, name=family)
    frame = results(run_experiments([sweep], tmp_path, workers=1), sweep)
    recorded = frame.groupby(["simulator", "horizon", "algorithm"])["replication"].nunique()
    assert recorded.tolist() == [2] * len(sweep.cells("quick"))
    assert len(sweep.claims(frame)) == len(sweep.simulators) * len(sweep.claim_settings)
    for table in sweep.tables(frame):
        assert all(row[1] for row in table.rows), table.rows
    assert {figure.name.removesuffix("_by_horizon") for figure in sweep.figures(frame)} <= set(content["metrics"])


@pytest.mark.parametrize("family", sweep_families())
def test_an_example_is_a_sweep_with_comments(family):
    text = sweep_example(family)
    assert f"regretlab run {family}.toml" in text.splitlines()[2]
    assert text.count("#") >= 8
    assert all(len(line) <= 120 for line in text.splitlines())
    sweep = Sweep(tomllib.loads(text), name=family)
    assert len(sweep.cells("quick")) >= 4


def test_every_family_of_the_design_has_an_example():
    wanted = {
        "bandits",
        "adversarial",
        "linear",
        "paging",
        "gradient_coding",
        "solver_tuning",
        "private",
        "autobidding",
    }
    assert wanted <= set(sweep_families())


def test_the_command_prints_and_writes_and_never_overwrites(regretlab, tmp_path):
    code, text, _ = regretlab("init-sweep", "bandits")
    assert (code, text) == (0, sweep_example("bandits"))
    out = tmp_path / "mine.toml"
    assert regretlab("init-sweep", "bandits", "--out", out)[0] == 0
    assert out.read_text() == sweep_example("bandits")
    out.write_text("my own")
    code, text, err = regretlab("init-sweep", "paging", "--out", out)
    assert (code, text, err.count("\n")) == (2, "", 1)
    assert "is there already" in err
    assert out.read_text() == "my own"
    assert "bandits, best_arm" in regretlab("init-sweep")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pagin",), "family: 'pagin' has no example; did you mean 'paging'? there are adversarial"),
        (("chess",), "family: 'chess' has no example; there are adversarial, autobidding, bandits"),
        (("paging", "--out", "{folder}/mine.txt"), "does not end in .toml"),
        (("paging", "--out", "{folder}/no/mine.toml"), "No such file or directory"),
    ],
)
def test_mistakes_of_init_sweep(regretlab, tmp_path, words, message):
    code, text, err = regretlab("init-sweep", *(word.format(folder=tmp_path) for word in words))
    assert (code, text, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []
