"""The claims of `bandit_baselines` on results that are made up: they hold where they should, and only there."""

import numpy as np
import pandas as pd
import pytest

from experiments.bandit_baselines import BASELINES, EXPERIMENT

HORIZON, RUNS = 10_000, 40


def made_up(changes=()):
    """Results in which every policy has its reference value, or half its bound, but for the changes."""
    rng, frames = np.random.default_rng(1), []
    for cell in EXPERIMENT.cells("quick"):
        name, baseline = cell["algorithm"], BASELINES[cell["algorithm"]]
        value = {"UniformRandom": 2250.0}.get(name, 300.0)
        if cell["instance"] == "uniform prior":
            value = 10.0
        elif baseline.reference:
            value = baseline.reference[0]
        elif baseline.bound:
            value = baseline.bound(HORIZON) * (0.5 if baseline.relation == "<=" else 2)
        if cell["instance"] == "standard":
            value = dict(changes).get(name, value)
        rounds = np.array([1, 30, 100, cell["horizon"]])
        noise = rng.standard_normal(RUNS)
        frames.append(
            pd.DataFrame(
                {
                    **cell,
                    "replication": np.repeat(np.arange(RUNS), rounds.size),
                    "round": np.tile(rounds, RUNS),
                    "regret": np.outer(value + noise, rounds / rounds[-1]).ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def verdicts(results):
    return {claim.statement: claim.verdict for claim in EXPERIMENT.claims(results)}


def test_all_claims_hold_for_the_reference_values():
    found = verdicts(made_up())
    assert set(found.values()) == {"holds"}
    bounded = sum(baseline.bound is not None for baseline in BASELINES.values())
    known = sum(baseline.reference is not None for baseline in BASELINES.values())
    assert len(found) == bounded + 1 + 3 + (known - 1) + known


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"UCB1": 495.0}, ["UCB1 at T = 10,000 agrees"]),
        ({"MOSS": 170.0}, ["MOSS at T = 10,000 agrees", "MOSS has less regret than KLUCB in"]),
        ({"IMED": 90.0}, ["IMED at T = 10,000 agrees", "IMED and ThompsonSampling have about the same"]),
        ({"UCBV": 3000.0}, ["mean regret of UCBV after 10,000 rounds stays below its bound"]),
        (
            {"EpsilonGreedy(0.1)": 200.0},
            ["mean regret of EpsilonGreedy(0.1) after 10,000 rounds stays above its bound"],
        ),
        ({"UniformRandom": 2240.0}, ["UniformRandom after 10,000 rounds"]),
    ],
)
def test_claims_fail_for_other_values(changes, words):
    failed = [statement for statement, verdict in verdicts(made_up(changes.items())).items() if verdict == "fails"]
    assert len(failed) == len(words)
    for statement in failed:
        assert any(statement.startswith(start) for start in words)


def test_the_table_and_the_figures_show_every_policy():
    results = made_up()
    (table,) = EXPERIMENT.tables(results)
    assert sorted(row[0] for row in table.rows) == sorted(BASELINES)
    curves, ends = EXPERIMENT.figures(results)
    legends = [axes.get_legend() for axes in curves.figure.axes if axes.axison]
    drawn = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert set(drawn) == {*BASELINES, "Lai-Robbins (limit)"}
    assert sorted(label.get_text() for label in ends.figure.axes[0].get_yticklabels()) == sorted(BASELINES)


def test_a_cell_gives_its_runs_at_its_checkpoints():
    cell = {**EXPERIMENT.cells("paper")[0], "horizon": 20_000, "replications": 3}
    frame = EXPERIMENT.run(cell, seed=1)
    assert frame.equals(EXPERIMENT.run(cell, seed=1))
    assert set(frame["replication"]) == {0, 1, 2}
    assert 20_000 in set(frame["round"])


def test_reference_values_are_compared_with_runs_of_their_own_horizon():
    referenced = {name for name, baseline in BASELINES.items() if baseline.reference}
    for scale in ("quick", "paper"):
        cells = [cell for cell in EXPERIMENT.cells(scale) if cell["instance"] == "standard"]
        assert referenced <= {cell["algorithm"] for cell in cells if cell["horizon"] == 10_000}
        longest = max(cell["horizon"] for cell in cells)
        assert {cell["algorithm"] for cell in cells if cell["horizon"] == longest} == set(BASELINES)
    short = made_up()
    short = short[(short["instance"] == "standard") & short["algorithm"].isin(referenced)]
    longer = made_up()
    longer.loc[longer["instance"] == "standard", ["horizon", "regret"]] = [100_000, 0.0]
    (table,) = EXPERIMENT.tables(pd.concat([longer, short]))
    assert sorted(row[0] for row in table.rows) == sorted(referenced)
    assert not any(row[1].startswith("0.0") for row in table.rows)


def test_policies_meet_the_same_worlds_however_many_replications_they_have():
    cell = {**EXPERIMENT.cells("quick")[0], "algorithm": "UCB1", "horizon": 500}
    few, more = (EXPERIMENT.run({**cell, "replications": count}, seed=1) for count in (2, 4))
    assert more[more["replication"] < 2].equals(few)
