"""Tables of a sweep file: grids, nested descriptions, files, and errors that say where."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.streams import canonical_json
from bandits import UCB1, TsallisINF
from experiments import registry
from experiments.sweep_fields import list_depth, nearest, parameters_of
from experiments.sweep_parts import PartReader, plain
from online.sor_tuning import SolverTuning
from optimization.differentially_private import DPGD, WarmStart
from simulators import (
    AdversarialRewards,
    BernoulliArms,
    DelayedFeedback,
    GaussianArms,
    LinearModelRisk,
    Loss,
    Market,
    RewardTable,
    TallyingArms,
    Trace,
    breast_cancer,
    robust_regression,
)


def parts(text, folder="."):
    """The parts of the only group of a text."""
    ((group, tables),) = tomllib.loads(text).items()
    return PartReader(Path(folder)).parts(tables, group)


def only(text, folder="."):
    (part,) = parts(text, folder)
    return part


def test_a_table_is_the_description():
    assert only('[[algorithms]]\nname = "UCB1"\nexploration = 1.5').value == UCB1(exploration=1.5)
    assert only('[[simulators]]\nname = "BernoulliArms"\nmeans = [0.4, 0.6]').value == BernoulliArms([0.4, 0.6])


def test_a_list_is_a_grid_where_a_number_is_taken_and_a_value_where_a_list_is():
    found = parts('[[simulators]]\nname = "GaussianArms"\nmeans = [[0.0, 1.0], [2.0]]\nsigma = [1.0, 2.0]')
    wanted = [GaussianArms(means, sigma) for means in ([0.0, 1.0], [2.0]) for sigma in (1.0, 2.0)]
    assert [part.value for part in found] == wanted
    assert found[0].label == "GaussianArms(means=[0.0, 1.0], sigma=1.0)"
    assert found[3].swept == {"means": "[2.0]", "sigma": 2.0}
    assert found[0].name == "GaussianArms"


def test_a_list_where_a_number_or_a_list_is_taken_is_one_value():
    text = '[[algorithms]]\nname = "FixedSplit"\nbudget = 1.0\nsplit = '
    assert only(f"{text}[0.25, 0.75]").value.split.tolist() == [0.25, 0.75]
    found = parts(f'{text}["equal", [0.25, 0.75]]')
    assert [part.label for part in found] == ["FixedSplit(split=equal)", "FixedSplit(split=[0.25, 0.75])"]


def test_a_grid_can_be_written_out():
    found = parts('[[algorithms]]\nname = "TallyingElimination"\nmemory_bound = { grid = [5, [2, 3]] }')
    assert [part.value.memory_bound if i == 0 else list(part.value.memory_bound) for i, part in enumerate(found)] == [
        5,
        [2, 3],
    ]
    assert only('[[algorithms]]\nname = "UCB1"\nexploration = { grid = [1.0] }').label == "UCB1(exploration=1.0)"


def test_a_grid_of_one_value_is_named_and_a_plain_value_is_not():
    assert only('[[algorithms]]\nname = "UCB1"\nexploration = [1.0]').label == "UCB1(exploration=1.0)"
    assert only('[[algorithms]]\nname = "UCB1"\nexploration = 1.0').label == "UCB1"


def test_descriptions_nest_with_grids_of_their_own():
    text = """
        [[algorithms]]
        name = "SolverTuning"
        grid = [1.0, 1.5]
        learner = [{ name = "TsallisINF", scale = "running mean" }, { name = "UCB1", exploration = [1.0, 2.0] }]
    """
    found = parts(text)
    learners = [TsallisINF(scale="running mean"), UCB1(1.0), UCB1(2.0)]
    assert [part.value for part in found] == [SolverTuning(learner, [1.0, 1.5]) for learner in learners]
    assert [part.swept for part in found][2] == {"learner": "UCB1(exploration=2.0)"}
    text = '[[algorithms]]\nname = "SolverTuning"\ngrid = [1.0, 1.5]\n[algorithms.learner]\nname = "UCB1"\n'
    assert [part.label for part in parts(text + "exploration = [1.0, 2.0]")] == [
        "SolverTuning(learner.exploration=1.0)",
        "SolverTuning(learner.exploration=2.0)",
    ]


def test_public_descriptions_that_are_not_registered_may_stand_inside():
    private, text = '{ name = "DPGD", epsilon = 1.0, delta = 1e-6 }', '[[algorithms]]\nname = "WarmStart"\n'
    warm = only(f"{text}first_horizon = 3\nfirst = {private}\nsecond = {private}").value
    assert warm == WarmStart(DPGD(1.0, 1e-6), DPGD(1.0, 1e-6), 3)
    text = '[[simulators]]\nname = "DelayedFeedback"\ndelay = 2\narms = { name = "BernoulliArms", means = [0.1, 0.2] }'
    assert only(text).value == DelayedFeedback(BernoulliArms([0.1, 0.2]), 2)


def test_lists_and_tables_of_descriptions():
    curve = '{ name = "ExponentialCurve", first = 0.9, limit = [0.2, 0.3], scale = 2.0 }'
    found = parts(f'[[simulators]]\nname = "TallyingArms"\nweights = [1.0, 1.0]\nmean_losses = [{curve}, {curve}]')
    assert len(found) == 4
    assert all(isinstance(part.value, TallyingArms) for part in found)
    assert found[1].label == "TallyingArms(mean_losses[0].limit=0.2, mean_losses[1].limit=0.3)"
    text = '[[simulators]]\nname = "Market"\n[simulators.channels.search]\nname = "AuctionChannel"\nauctions = [2, 3]'
    found = parts(text)
    assert [part.swept for part in found] == [{"channels.search.auctions": 2}, {"channels.search.auctions": 3}]
    assert [part.value.names for part in found] == [("search",)] * 2
    assert isinstance(found[0].value, Market)


def test_functions_and_constructors_make_simulators(tmp_path):
    assert only('[[simulators]]\nname = "breast_cancer"\nloss = "logistic"').value == breast_cancer("logistic")
    decoy = only('[[simulators]]\nname = "TallyingArms.decoy"\nn_arms = 5\nweights = [1, 1, 1]')
    assert decoy.value == TallyingArms.decoy(n_arms=5, weights=[1, 1, 1])
    drawn = only('[[simulators]]\nname = "robust_regression"\nn_records = 9\ndimension = 3')
    assert drawn.value.sample(np.random.default_rng(1)) == robust_regression(9, 3, np.random.default_rng(1))


def test_a_field_called_like_a_word_of_the_file():
    assert only('[[simulators]]\nname = "Loss"\nfields = { name = "huber", scale = 2.0 }').value == Loss("huber", 2.0)


def test_files_are_relative_to_the_sweep(tmp_path):
    (tmp_path / "rewards.csv").write_text("a,b\n0.1,0.9\n0.2,0.8\n")
    (tmp_path / "targets.csv").write_text("1\n-1\n")
    np.save(tmp_path / "features.npy", np.eye(2))
    np.savez(tmp_path / "both.npz", one=np.eye(2), two=np.zeros((2, 2)))
    found = only('[[simulators]]\nname = "AdversarialRewards.from_file"\npath = "rewards.csv"', tmp_path)
    assert found.value == AdversarialRewards([[0.1, 0.9], [0.2, 0.8]])
    text = '[[simulators]]\nname = "LinearModelRisk"\nfeatures = { file = "features.npy" }\n'
    text += 'targets = { file = "targets.csv" }\nloss = { name = "Loss", fields = { name = "logistic" } }'
    assert only(text, tmp_path).value == LinearModelRisk(np.eye(2), [1, -1], Loss("logistic"))
    text = '[[simulators]]\nname = "RewardTable"\nrewards = { grid = [{ file = "both.npz", array = "one" }, '
    found = parts(text + '{ file = "both.npz", array = "two" }] }', tmp_path)
    assert [part.value for part in found] == [RewardTable(np.eye(2)), RewardTable(np.zeros((2, 2)))]
    trace = only('[[simulators]]\nname = "Trace.from_file"\npath = "rewards.csv"\ncolumn = "a"', tmp_path).value
    assert isinstance(trace, Trace)


def test_labels_tell_parts_apart():
    arms = '[[simulators]]\nname = "BernoulliArms"\nmeans = '
    assert [part.label for part in parts(f"{arms}[0.1, 0.2]\n{arms}[0.3]")] == [
        "BernoulliArms(means=[0.1, 0.2])",
        "BernoulliArms(means=[0.3])",
    ]
    assert only('[[algorithms]]\nname = "UCB1"\nlabel = "mine"\nexploration = [1.0]').label == "mine(exploration=1.0)"
    with pytest.raises(ValueError, match="algorithms: two are called 'UCB1'; give them different labels"):
        parts('[[algorithms]]\nname = "UCB1"\n[[algorithms]]\nname = "UCB1"')


def test_the_key_does_not_hold_the_label():
    plainly, labelled = (only(f'[[algorithms]]\nname = "UCB1"\n{line}') for line in ("", 'label = "mine"'))
    assert plainly.key == labelled.key == {"name": "UCB1", "fields": {}}
    with_options = only('[[algorithms]]\nname = "UCB1"\nrun = { realised = true }')
    assert with_options.options == {"realised": True}
    assert with_options.key != plainly.key


def test_infinite_numbers_key_streams():
    part = only('[[algorithms]]\nname = "DPGD"\nepsilon = [inf]\ndelta = 1e-6')
    assert part.value.epsilon == math.inf
    assert part.swept == {"epsilon": "inf"}
    canonical_json(part.key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[algorithms]]\nname = "UBC1"', "algorithms[0].name = 'UBC1': is not registered; did you mean 'UCB1'?"),
        ('[[algorithms]]\nname = "ucb1"', "did you mean 'UCB1'?"),
        ('[[algorithms]]\nname = "BernoulliArms"', "algorithms[0].name = 'BernoulliArms': is not registered"),
        ('[[simulators]]\nname = "UCB1"', "simulators[0].name = 'UCB1': is not registered"),
        ("[[algorithms]]\nexploration = 1", "algorithms[0].name is missing"),
        ("[algorithms]\nname = 1", "algorithms: must be tables, [[algorithms]]"),
        (
            '[[algorithms]]\nname = "UCB1"\nexploraton = 1',
            "algorithms[0].exploraton: is unknown; did you mean 'exploration'? there are exploration, log_time, tie",
        ),
        (
            '[[algorithms]]\nname = "UCB1"\nexploration = -1.0',
            "algorithms[0].exploration = -1.0: should be greater than 0",
        ),
        (
            '[[algorithms]]\nname = "LRU"\ncache_size = 5\n[[algorithms]]\nname = "UCB1"\nexploration = [1, -2]',
            "algorithms[1].exploration[1] = -2: should be greater than 0",
        ),
        (
            '[[algorithms]]\nname = "UCB1"\nexploration = "high"',
            "algorithms[0].exploration = 'high': should be a valid",
        ),
        ('[[algorithms]]\nname = "UCB1"\nexploration = true', "algorithms[0].exploration = True: must be a number"),
        (
            '[[algorithms]]\nname = "UCB1"\nexploration = []',
            "algorithms[0].exploration = []: a grid is a list of at least",
        ),
        ('[[algorithms]]\nname = "UCB1"\nexploration = {grid = []}', "exploration.grid = []: a grid is a list of at"),
        ('[[algorithms]]\nname = "UCB1"\nexploration = 2020-01-01', "exploration = 2020-01-01: no field takes a date"),
        ('[[algorithms]]\nname = "UCB1"\nlabel = 3', "algorithms[0].label = 3: must be a text"),
        ('[[algorithms]]\nname = "UCB1"\nrun = {realized = true}', "run.realized: is no argument of its run; did you"),
        ('[[algorithms]]\nname = "UCB1"\nrun = {world = 1}', "run.world: is no argument of its run"),
        ('[[algorithms]]\nname = "UCB1"\nrun = 3', "algorithms[0].run = 3: must be a table"),
        ('[[algorithms]]\nname = "LRU"', "algorithms[0].cache_size is missing"),
        (
            '[[algorithms]]\nname = "SolverTuning"\ngrid = [1.0]\nlearner = {name = "UCB1", exploration = [1, 0]}',
            "algorithms[0].learner.exploration[1] = 0: should be greater than 0",
        ),
        (
            '[[algorithms]]\nname = "SolverTuning"\ngrid = [1.0]\nlearner = {name = "UCB1", label = "mine"}',
            "algorithms[0].learner.label: is for algorithms and simulators",
        ),
        (
            '[[algorithms]]\nname = "SolverTuning"\ngrid = [2.5]\nlearner = {name = "UCB1"}',
            "algorithms[0].grid = [2.5]",
        ),
        ('[[simulators]]\nname = "BernoulliArms"\nrun = {}', "simulators[0].run: only algorithms run"),
        (
            '[[simulators]]\nname = "BernoulliArms"\nmeans = [0.1, 1.2]',
            "simulators[0].means = [0.1, 1.2]: entry 1 is 1.2",
        ),
        (
            '[[simulators]]\nname = "BernoulliArms"\nmeans = [[0.1], [1.2]]',
            "simulators[0].means[1] = [1.2]: entry 0 is",
        ),
        (
            '[[simulators]]\nname = "BernoulliArms"\nmeans = 0.5',
            "simulators[0].means = 0.5: must be a non-empty vector",
        ),
        (
            '[[simulators]]\nname = "shipped_trace"\nfields = {name = "web08"}',
            "simulators[0].fields.name: 'web08' is not",
        ),
        (
            '[[simulators]]\nname = "robust_regression"\nn_records = 5\ndimension = [3, -4]',
            "dimension[1]: -4 is below 1",
        ),
        ('[[simulators]]\nname = "TallyingArms.decoi"', "TallyingArms has no such constructor; did you mean 'decoy'?"),
        ('[[simulators]]\nname = "BernoulliArms.made"', "BernoulliArms has no such constructor; there is none"),
        ('[[simulators]]\nname = "Trace.from_file"\npath = "gone.txt"', "path = 'gone.txt': there is no such file"),
        (
            '[[simulators]]\nname = "RewardTable"\nrewards = {file = "gone.csv"}',
            "rewards.file = 'gone.csv': there is no",
        ),
        (
            '[[simulators]]\nname = "RewardTable"\nrewards = {file = "x", arry = "y"}',
            "rewards.arry: is unknown; did you",
        ),
        (
            '[[simulators]]\nname = "PerRecordRisk"\nn_records = 3\ndimension = 2\nlosses = "mine"\ngradients = "too"',
            "simulators[0].losses: takes a function, which no sweep file can give",
        ),
        (
            '[[simulators]]\nname = "PerRecordRisk"\nn_records = 3\ndimension = 2',
            "simulators[0].losses is missing, a function, which no sweep file can give",
        ),
    ],
)
def test_errors_say_where_what_and_what_would_be_valid(text, message, tmp_path):
    with pytest.raises(ValueError) as caught:
        parts(text, tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_array_file_is_located(tmp_path):
    (tmp_path / "bad.csv").write_text("0.1,0.2\n0.3,x\n")
    np.savez(tmp_path / "objects.npz", one=np.array([{}, 1], dtype=object))
    np.savez(tmp_path / "two.npz", one=np.eye(2), two=np.eye(2))
    for inner, message in (
        ('{file = "bad.csv"}', r"simulators\[0\].rewards.file: .*bad.csv: line 2, column 2"),
        ('{file = "objects.npz"}', r"simulators\[0\].rewards.file: .*objects.npz: holds objects"),
        ('{file = "two.npz"}', r"array None is none of one, two"),
        ('{file = "two.npz", array = "three"}', r"array 'three' is none of one, two"),
    ):
        with pytest.raises(ValueError, match=message):
            parts(f'[[simulators]]\nname = "RewardTable"\nrewards = {inner}', tmp_path)


@pytest.mark.parametrize("group", ["algorithms", "simulators"])
def test_every_registered_name_has_readable_parameters(group):
    for name in registry.names(group):
        target = registry.algorithm(name) if group == "algorithms" else registry.simulator(name)
        for parameter in parameters_of(target).values():
            assert parameter.depths is None or parameter.depths <= {0, 1, 2, 3}, (name, parameter)


@given(
    st.recursive(
        st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_plain_values_key_streams(value):
    canonical_json(plain(value))


@given(st.integers(0, 5))
def test_depth_counts_lists(depth):
    value = 1.0
    for _ in range(depth):
        value = [value, 0]
    assert list_depth(value) == depth


def test_the_nearest_word():
    assert nearest("regert", ["faults", "regret"]) == "; did you mean 'regret'? there are faults, regret"
    assert nearest("zzz", ["faults"]) == "; there are faults"
    assert nearest("zzz", []) == "; there is none to give"
