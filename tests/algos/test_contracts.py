import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.contracts import (
    Algorithm,
    Count,
    Natural,
    NonNegative,
    Probability,
    Trajectory,
    check_generator,
    checkpoint_rounds,
    description,
    read_only,
    realize,
    whole_number,
)
from algos.kernels import compiled, hold, interpreted

NOT_WHOLE = [2.5, 3.0, math.nan, math.inf, True, np.True_, "3", None, [3], 1 + 0j]


@description
class Point:
    count: Count
    share: Probability = 0.5


@description
class Corner(Point):
    name: str = "here"


def test_a_description_is_frozen_equal_by_value_and_inherits():
    assert Corner(3) == Corner(count=3, share=0.5, name="here")
    assert isinstance(Corner(3), Point)
    with pytest.raises(AttributeError):
        Corner(3).count = 4


@pytest.mark.parametrize("count", [1, np.int8(1), np.uint64(2**40), 2**80])
def test_counts_may_be_any_integer(count):
    assert Point(count).count == int(count)
    assert type(Point(count).count) is int


@pytest.mark.parametrize("count", [0, -1, np.int64(-3), *NOT_WHOLE])
def test_a_bad_count_is_one_line_that_names_class_field_and_value(count):
    with pytest.raises(
        ValueError, match=r"^Point: count = .*: (must be a whole number >= 1|should be greater)"
    ) as error:
        Point(count)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, math.inf, "much", None])
def test_a_bad_probability_is_named(share):
    with pytest.raises(ValueError, match=r"^Corner: share = "):
        Corner(3, share=share)


def test_every_bad_field_has_its_line():
    with pytest.raises(ValueError, match=r"count = 0") as error:
        Corner(0, share=2.0)
    assert [line.split(" = ")[0] for line in str(error.value).split("\n")] == ["Corner: count", "Corner: share"]


@description
class Switch:
    level: float
    on: bool = False


@pytest.mark.parametrize("bad", [True, np.False_])
def test_a_truth_value_is_no_number(bad):
    with pytest.raises(ValueError, match=r"^Switch: level = .*: must be a number$"):
        Switch(bad)
    with pytest.raises(ValueError, match=r"^Switch: level = .*: must be a number$"):
        Switch(level=bad)


@pytest.mark.parametrize("bad", ["yes", 1, 0.0, None])
def test_only_true_and_false_are_truth_values(bad):
    with pytest.raises(ValueError, match=r"^Switch: on = .*: must be True or False$"):
        Switch(1.0, on=bad)
    assert Switch(1, np.True_).on is True


def test_missing_unknown_and_long_values():
    with pytest.raises(ValueError, match=r"^Point: count is missing$"):
        Point()
    with pytest.raises(ValueError, match=r"^Point: size = 3: "):
        Point(3, size=3)
    with pytest.raises(ValueError, match=r"\.\.\.: "):
        Point("x" * 500)


RUN = Trajectory([1, 4], {"regret": [0.5, 1.0]}, {"arm": 1, "pulls": np.array([3, 1])})


def test_a_trajectory_cannot_be_changed():
    for array in (RUN.rounds, RUN.metrics["regret"], RUN.outcome["pulls"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9
    with pytest.raises(TypeError):
        RUN.metrics["regret"] = np.zeros(2)


def test_a_trajectory_does_not_follow_the_arrays_it_was_made_of():
    pulls = np.array([3, 1])
    run = Trajectory([1], {"regret": [0.0]}, {"pulls": pulls})
    pulls[0] = 7
    assert run.outcome["pulls"].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("rounds", "curve", "message"),
    [
        ([1, 1], [0, 0], "increasing"),
        ([2, 1], [0, 0], "increasing"),
        ([[1]], [0], "one-dimensional"),
        ([1], [0, 0], "shape"),
    ],
)
def test_a_trajectory_that_does_not_fit_is_refused(rounds, curve, message):
    with pytest.raises(ValueError, match=message):
        Trajectory(rounds, {"regret": curve}, {})


def test_equality_is_of_bits():
    same = pickle.loads(pickle.dumps(RUN))
    assert same.equals(RUN)
    for rounds, metrics, outcome in (
        ([1, 5], {"regret": [0.5, 1.0]}, {"arm": 1, "pulls": np.array([3, 1])}),
        ([1, 4], {"regret": [0.5, np.nextafter(1.0, 2)]}, {"arm": 1, "pulls": np.array([3, 1])}),
        ([1, 4], {"loss": [0.5, 1.0]}, {"arm": 1, "pulls": np.array([3, 1])}),
        ([1, 4], {"regret": [0.5, 1.0]}, {"arm": 2, "pulls": np.array([3, 1])}),
        ([1, 4], {"regret": [0.5, 1.0]}, {"arm": 1, "pulls": np.array([1, 3])}),
        ([1, 4], {"regret": [0.5, 1.0]}, {"arm": 1}),
    ):
        assert not RUN.equals(Trajectory(rounds, metrics, outcome))
    zero, minus_zero = (Trajectory([1], {"regret": [value]}, {}) for value in (0.0, -0.0))
    assert not zero.equals(minus_zero)
    assert zero.equals(Trajectory([1], {"regret": [0.0]}, {}))
    nan = Trajectory([1], {"regret": [math.nan]}, {})
    assert nan.equals(nan)


@given(st.integers(1, 10**7), st.sampled_from(["log", "linear"]), st.integers(1, 500))
def test_default_checkpoints_increase_to_the_horizon(horizon, spacing, count):
    rounds = checkpoint_rounds(horizon, spacing=spacing, count=count)
    assert 1 <= rounds[0] <= rounds[-1] == horizon
    assert (np.diff(rounds) > 0).all()
    assert rounds.size <= count
    assert rounds.dtype == np.int64


@given(st.sets(st.integers(1, 1000), min_size=1), st.integers(0, 50))
def test_chosen_checkpoints_are_kept_and_end_at_the_horizon(chosen, beyond):
    horizon = max(chosen) + beyond
    assert set(checkpoint_rounds(horizon, sorted(chosen))) == chosen | {horizon}


def test_no_rounds_have_no_checkpoints():
    assert checkpoint_rounds(0).size == 0


@description
class Range:
    fewest: Natural = 0
    length: NonNegative = 0.0


@pytest.mark.parametrize(
    ("bad", "range_"),
    [({"fewest": value}, "(whole number >= 0|greater than or equal to 0)") for value in (-1, *NOT_WHOLE)]
    + [({"length": value}, "(finite|greater than or equal to 0)") for value in (-0.5, math.nan, math.inf)],
)
def test_numbers_below_zero_are_refused(bad, range_):
    (name,) = bad
    with pytest.raises(ValueError, match=rf"^Range: {name} = .*{range_}"):
        Range(**bad)
    assert Range(np.int64(7), 1e308) == Range(7, 1e308)
    assert type(Range(np.int64(7)).fewest) is int


@pytest.mark.parametrize("value", [-1, *NOT_WHOLE])
def test_whole_number_names_what_it_refuses(value):
    with pytest.raises(ValueError, match=r"^horizon: "):
        whole_number(value, "horizon", 0)
    assert whole_number(np.int16(3), "horizon", 0) == 3


@pytest.mark.parametrize("rng", [None, 0, np.random, np.random.RandomState(0), np.random.PCG64()])
def test_only_generators_are_generators(rng):
    with pytest.raises(ValueError, match=r"is not a numpy.random.Generator, which the test needs"):
        check_generator(rng, "the test")


def test_realize_draws_from_distributions_only():
    class Coin:
        def sample(self, rng):
            return rng.integers(10)

    assert realize("a fixed world", None) == "a fixed world"
    assert realize(Coin(), np.random.default_rng(1)) == np.random.default_rng(1).integers(10)
    with pytest.raises(ValueError, match="rng: None"):
        realize(Coin(), None)


def test_anything_that_runs_is_an_algorithm():
    class Mine:
        def run(self, simulator, horizon, rng):
            return RUN

    assert isinstance(Mine(), Algorithm)
    assert not isinstance(object(), Algorithm)


def test_a_read_only_view_leaves_the_array_alone():
    array = np.zeros(2)
    view = read_only(array)
    array[0] = 1
    assert view[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2


def plain(x):
    return x + 1


def test_a_kernel_has_two_lives():
    fast = compiled(plain)
    assert compiled(plain) is fast
    assert compiled(fast) is fast
    assert interpreted(fast) is plain
    assert interpreted(plain) is plain
    assert fast(2) == plain(2)
    assert fast.targetoptions["nogil"]


def test_hold_is_callable_from_anywhere():
    def kernel(values, rng):
        hold(values, rng)
        return values.sum()

    assert hold(object()) is None
    assert compiled(kernel)(np.ones(3), np.random.default_rng()) == 3
