"""Linear arms: means, laws of single pulls and of sums, instances, reward tables, and features from files."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from simulators import (
    BernoulliLinearArms,
    BetaLinearArms,
    NormTenArms,
    RewardTable,
    SphereArms,
    UniformLinearArms,
    UnitBallArms,
    pairs_instance,
    read_features,
    unstructured_instance,
)

KINDS = (BernoulliLinearArms, UniformLinearArms, BetaLinearArms)
seeds = st.integers(0, 2**32)


def generator(seed=0):
    return np.random.default_rng(seed)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=6))
def test_with_unit_vectors_the_means_are_theta(means):
    for kind in KINDS:
        arms = kind(np.eye(len(means)), means)
        assert arms.means.tolist() == means
        assert arms.gaps.tolist() == [max(means) - mean for mean in means]
        assert not arms.features.flags.writeable


def test_single_pulls_have_their_laws():
    rng, n = generator(1), 20_000
    for kind, law in ((UniformLinearArms, ("uniform", (0, 0.6))), (BetaLinearArms, ("beta", (0.3, 0.7)))):
        arms = kind([[1.0]], [0.3])
        pull, params = arms.kernel(), arms.parameters()
        assert kstest([pull(params, 0, rng) for _ in range(n)], law[0], args=law[1]).pvalue > 1e-6
    arms = BernoulliLinearArms([[1.0]], [0.3])
    pull, params = arms.kernel(), arms.parameters()
    ones = sum(pull(params, 0, rng) for _ in range(n))
    assert min(binom.cdf(ones, n, 0.3), binom.sf(ones - 1, n, 0.3)) > 1e-6


@given(seeds, st.integers(0, 50))
def test_a_sum_is_the_sum_of_single_pulls_where_there_is_no_faster_way(seed, count):
    for kind in (UniformLinearArms, BetaLinearArms):
        arms = kind([[0.3], [0.0], [0.5]], [1.0])
        pulled, summed = generator(seed), generator(seed)
        pull, params = arms.kernel(), arms.parameters()
        expected = [math.fsum(pull(params, arm, pulled) for _ in range(count)) for arm in (2, 0, 1)]
        assert arms.draw_sum([2, 0, 1], count, summed).tolist() == pytest.approx(expected, abs=1e-12)
        assert pulled.bit_generator.state == summed.bit_generator.state


@given(seeds, st.integers(0, 1000))
def test_a_sum_of_bernoulli_rewards_is_one_binomial(seed, count):
    arms = BernoulliLinearArms([[0.3], [1.0]], [1.0])
    one = generator(seed)
    assert arms.draw_sum([0, 1], count, generator(seed)).tolist() == [one.binomial(count, 0.3), count]


def test_beta_rewards_at_the_ends_are_their_mean():
    arms = BetaLinearArms([[0.0], [1.0]], [1.0], concentration=3.0)
    assert arms.draw_sum([0, 1], 7, generator()).tolist() == [0.0, 7.0]


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=3))
def test_a_table_pays_each_entry_once_and_then_refuses(rows):
    table = RewardTable(rows)
    assert table.draw_sum([0], 4, generator()).tolist() == pytest.approx([sum(rows[0])])
    pull, params = table.kernel(), table.parameters()
    assert [pull(params, 0, generator()) for _ in range(4)] == rows[0]
    with pytest.raises(IndexError, match="no reward left"):
        pull(params, 0, generator())
    with pytest.raises(IndexError, match="no reward left"):
        table.draw_sum([0], 5, generator())
    # Another run starts afresh.
    assert pull(table.parameters(), 0, generator()) == rows[0][0]


def test_the_norm_ten_instance():
    arms = NormTenArms().sample(generator(3))
    assert arms.features.shape == (30, 2)
    assert arms.means[:3].tolist() == pytest.approx([0.5, 0.45, 0.45], abs=1e-15)
    assert np.linalg.norm(arms.features, axis=1).max() == 10
    assert arms.means.argmax() == 0
    assert arms.means[3:].tolist() == pytest.approx((0.045 + arms.features[3:, 1] / 2).tolist())
    assert (arms.features[3:, 1] <= 0.8).all()


@given(seeds, st.integers(1, 30), st.integers(2, 8), st.sampled_from(["bernoulli", "beta"]))
def test_sphere_and_ball_instances(seed, n_arms, dimension, rewards):
    for kind in (SphereArms, UnitBallArms):
        arms = kind(n_arms, dimension, rewards).sample(generator(seed))
        assert arms.features.shape == (n_arms, dimension)
        assert (arms.features[:, -1] == 1).all()
        norms = np.linalg.norm(arms.features[:, :-1], axis=1)
        assert (norms <= 1 + 1e-12).all()
        assert ((arms.means >= 0.05 - 1e-9) & (arms.means <= 0.95 + 1e-9)).all()
        if kind is SphereArms:
            assert norms.tolist() == pytest.approx([1.0] * n_arms)
            assert arms.means[0] == pytest.approx(0.95)
        assert kind(n_arms, dimension, rewards).sample(generator(seed)) == arms


def test_unit_balls_are_filled_evenly():
    radii = np.linalg.norm(UnitBallArms(20_000, 4).sample(generator(5)).features[:, :-1], axis=1)
    assert kstest(radii**3, "uniform").pvalue > 1e-6


def test_unstructured_instances():
    assert unstructured_instance().means.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert unstructured_instance("one sparse", 4).means.tolist() == [0.6, 0.5, 0.5, 0.5]
    gaps = unstructured_instance("geometric", 10).gaps
    assert gaps[0] == 0
    assert gaps[-1] == pytest.approx(0.4)
    assert (gaps[2:] / gaps[1:-1]).tolist() == pytest.approx([2**0.1] * 8)
    with pytest.raises(ValueError, match="kind: 'flat'"):
        unstructured_instance("flat")


@given(st.integers(1, 8))
def test_the_pairs_instance_has_fewer_arms_than_the_square_of_its_rank(d):
    arms = pairs_instance(d)
    assert arms.features.shape == (d * (d + 1) // 2, d)
    assert np.linalg.matrix_rank(arms.features) == d
    assert arms.means[0] == pytest.approx(0.9)
    assert set(np.round(arms.means[1:], 12)) <= {0.5, 0.7}


def test_arms_survive_a_trip_to_another_process():
    for arms in (BetaLinearArms([[1.0]], [0.3], 2.0), RewardTable([[1.0, 0.0]])):
        assert pickle.loads(pickle.dumps(arms)) == arms


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BernoulliLinearArms([[1.0, 2.0]], [1.0]), "theta: has 1 entries, but a feature vector has 2"),
        (lambda: BernoulliLinearArms([[1.0], [1.1]], [1.0]), r"theta: the mean of arm 1 is 1\.1, outside \[0, 1\]"),
        (lambda: UniformLinearArms([[0.6]], [1.0]), r"theta: the mean of arm 0 is 0\.6, outside \[0, 0\.5\]"),
        (lambda: BernoulliLinearArms([[math.nan]], [1.0]), r"features = .*entry \(0, 0\) is nan"),
        (lambda: BernoulliLinearArms([1.0], [1.0]), "features = "),
        (lambda: BetaLinearArms([[1.0]], [0.3], 0.0), "concentration = 0"),
        (lambda: RewardTable([[1.0]], [[1.0], [2.0]]), "features: has 2 rows"),
        (lambda: RewardTable([]), "rewards = "),
        (lambda: SphereArms(0, 3), "n_arms = 0"),
        (lambda: SphereArms(3, 1), "dimension = 1"),
        (lambda: NormTenArms(2), "n_arms = 2"),
        (lambda: NormTenArms(3.5), "n_arms = 3.5"),
        (lambda: UnitBallArms(3, 3, "gamma"), "rewards = 'gamma'"),
        (lambda: pairs_instance(0), "dimension: 0"),
        (lambda: unstructured_instance(n_arms=1), "n_arms: 1"),
    ],
)
def test_bad_descriptions_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("arms", "count"), [([2], 1), ([-1], 1), ([0.5], 1), (0, 1), ([0], -1), ([0], 1.5)])
def test_bad_sums_are_refused(arms, count):
    with pytest.raises(ValueError, match=r"arms: |count: "):
        BernoulliLinearArms([[0.3], [1.0]], [1.0]).draw_sum(arms, count, generator())


def test_means_within_rounding_of_the_ends_are_moved_there():
    arms = BernoulliLinearArms([[1 + 1e-10], [-1e-10]], [1.0])
    assert arms.means.tolist() == [1.0, 0.0]


@settings(max_examples=30)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda d: st.lists(st.lists(st.floats(-1e6, 1e6), min_size=d, max_size=d), min_size=1, max_size=6)
    ),
    names=st.booleans(),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_features_are_read_as_they_were_written(tmp_path_factory, rows, names, delimiter):
    path = tmp_path_factory.mktemp("features") / "arms.csv"
    lines = [delimiter.join(repr(value) for value in row) for row in rows]
    path.write_text("\n".join(([delimiter.join("abcd"[: len(rows[0])])] if names else []) + lines) + "\n\n")
    assert read_features(path, delimiter=delimiter).tolist() == rows
    arms = RewardTable([[0.0]] * len(rows), read_features(path, delimiter=delimiter))
    assert arms.features.tolist() == rows


def test_linear_arms_from_a_file(tmp_path):
    path = tmp_path / "arms.csv"
    path.write_text("x,y\n1,0\n0.5,0.5\n")
    assert BernoulliLinearArms.from_csv(path, [0.9, 0.1]) == BernoulliLinearArms([[1, 0], [0.5, 0.5]], [0.9, 0.1])
    assert BetaLinearArms.from_csv(path, [0.9, 0.1], concentration=2.0).concentration == 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", "line 2, column 2: 'x' is not a number"),
        ("a,b\n1,nan\n", "line 2, column 2: 'nan' is not finite"),
        ("1,2\n3,inf\n", "line 2, column 2: 'inf' is not finite"),
        ("1,2\n3\n", "line 2: 1 columns where 2 are expected"),
        ("1,2\n\n3,4\n", "line 2: is blank"),
        ("1,\n", "line 1, column 2: the value is missing"),
        ("", "holds no feature vector"),
        ("a,b\n", "holds no feature vector"),
    ],
)
def test_the_first_bad_value_of_a_file_is_named(tmp_path, text, message):
    path = tmp_path / "arms.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"arms.csv: {message}"):
        read_features(path)


def test_bad_files(tmp_path):
    path = tmp_path / "arms.csv"
    path.write_bytes(b"1,\xff\n")
    with pytest.raises(ValueError, match="byte 3: not UTF-8"):
        read_features(path)
    with pytest.raises(ValueError, match="delimiter: ',,'"):
        read_features(path, delimiter=",,")
    with pytest.raises(FileNotFoundError):
        read_features(tmp_path / "none.csv")
