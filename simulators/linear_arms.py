"""Arms whose means are linear in known features, a reward table, and the instances of the best-arm literature.

Besides the ordinary protocol of arms (`bandits.Arms`) they offer ``features``, ``theta``, and sums of many pulls at
once: for Bernoulli arms one binomial draw, exact in law and hundreds of times faster than single pulls.

Source of the instances: arXiv:2401.09073 (features of norm 10), as far as known from outside the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.arrays import FiniteMatrix, FiniteVector
from algos.contracts import Count, check_generator, description, whole_number
from simulators.feature_files import read_features

__all__ = [
    "BernoulliLinearArms",
    "BetaLinearArms",
    "LinearArms",
    "NormTenArms",
    "RewardTable",
    "SphereArms",
    "UniformLinearArms",
    "UnitBallArms",
    "pairs_instance",
    "unstructured_instance",
]

_ROUNDING = 1e-9  # means may leave [0, 1] by so much


class _Means(NamedTuple):
    means: np.ndarray  # (K,) float64


class _Shapes(NamedTuple):
    means: np.ndarray  # (K,) float64
    concentration: float


class _Table(NamedTuple):
    rewards: np.ndarray  # (K, n) float64
    pulls: np.ndarray  # (K,) int64, rewards read by single pulls so far


@description
class LinearArms:
    """What the linear arms share: means ``features @ theta`` in [0, 1]; the kinds of reward are below.

    Parameters
    ----------
    features : array of float, shape (K, d)
        Feature vector of each arm, finite, of any rank.
    theta : array of float, shape (d,)
        What the means are linear in.

    Raises
    ------
    ValueError
        When the shapes do not fit, or a mean leaves [0, 1] by more than 1e-9.
    """

    features: FiniteMatrix
    theta: FiniteVector

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Smallest and largest reward."""
    largest_mean: ClassVar[float] = 1.0
    """Means lie in [0, largest_mean]."""

    def __post_init__(self) -> None:
        if self.features.shape[1] != self.theta.size:
            raise ValueError(f"theta: has {self.theta.size} entries, but a feature vector has {self.features.shape[1]}")
        means = self.features @ self.theta
        outside = ~((means >= -_ROUNDING) & (means <= self.largest_mean + _ROUNDING))
        if outside.any():
            arm = int(np.argmax(outside))
            raise ValueError(f"theta: the mean of arm {arm} is {means[arm]:g}, outside [0, {self.largest_mean:g}]")

    @classmethod
    def from_csv(
        cls, path: str | Path, theta: ArrayLike, *, delimiter: str = ",", header: bool | None = None, **more: Any
    ) -> Any:
        """Arms with features from a text file, one arm a line.

        Parameters
        ----------
        path : str or Path
            The file; see `simulators.read_features`.
        theta : array of float, shape (d,)
            What the means are linear in.
        delimiter : str
            One character.
        header : bool, optional
            Whether the first line names the columns; seen from the file when omitted.
        more : any
            The other fields of the class.

        Raises
        ------
        ValueError
            Names the line and the column of the first value that is no finite number.
        """
        features = read_features(path, delimiter=delimiter, header=header)
        return cls(features=features, theta=np.asarray(theta), **more)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean reward of each arm, shape (K,)."""
        return np.clip(self.features @ self.theta, 0.0, self.largest_mean)

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Best mean minus each arm's mean, shape (K,)."""
        means = self.means
        return means.max() - means

    def parameters(self) -> Any:
        """What the kernels read."""
        return _Means(self.means)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``."""
        raise NotImplementedError(f"{type(self).__name__} must define kernel()")

    def sum_kernel(self) -> Callable[..., Any]:
        """Draw a sum: ``draw_sum(params, arm, first, count, rng)``, rewards first, ..., first + count - 1 of an arm."""
        raise NotImplementedError(f"{type(self).__name__} must define sum_kernel()")

    def draw_sum(self, arms: ArrayLike, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The sum of `count` rewards of each named arm, drawn in the order in which they are named.

        Parameters
        ----------
        arms : array of int, shape (m,)
            Arms in 0..K-1.
        count : int >= 0
            Pulls of each.
        rng : numpy.random.Generator
            Where the rewards come from.
        """
        named, pulls = np.asarray(arms), whole_number(count, "count", 0)
        n_arms = self.means.size
        if named.ndim != 1 or named.dtype.kind not in "iu" or (named < 0).any() or (named >= n_arms).any():
            raise ValueError(f"arms: {arms!r} is not a vector of whole numbers in 0..{n_arms - 1}")
        draw, params = self.sum_kernel(), self.parameters()
        check_generator(rng, "draw_sum")
        return np.array([draw(params, int(arm), 0, pulls, rng) for arm in named], dtype=np.float64)


@description
class BernoulliLinearArms(LinearArms):
    """Arms that pay 1 with probability ``features @ theta``, and 0 otherwise.

    Parameters
    ----------
    features : array of float, shape (K, d)
        Feature vector of each arm.
    theta : array of float, shape (d,)
        What the means are linear in.

    Examples
    --------
    >>> arms = BernoulliLinearArms([[1.0, 0.0], [0.5, 0.5]], [0.9, 0.1])
    >>> arms.means
    array([0.9, 0.5])
    >>> arms.draw_sum([0, 1], 1000, np.random.default_rng(0))
    array([908., 501.])
    """

    binary_rewards: ClassVar[bool] = True
    """Every reward is 0 or 1."""

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward, one uniform a pull."""
        return _pull_bernoulli

    def sum_kernel(self) -> Callable[..., Any]:
        """Draw a sum, one binomial."""
        return _sum_bernoulli


@description
class UniformLinearArms(LinearArms):
    """Arms whose reward is uniform on [0, 2 mean]; the means ``features @ theta`` are at most 1/2.

    Parameters
    ----------
    features : array of float, shape (K, d)
        Feature vector of each arm.
    theta : array of float, shape (d,)
        What the means are linear in.
    """

    largest_mean: ClassVar[float] = 0.5

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward, one uniform a pull."""
        return _pull_uniform

    def sum_kernel(self) -> Callable[..., Any]:
        """Draw a sum, one uniform a pull."""
        return _sum_uniform


@description
class BetaLinearArms(LinearArms):
    """Arms whose reward has the law Beta(c mean, c (1 - mean)) with mean ``features @ theta``.

    Parameters
    ----------
    features : array of float, shape (K, d)
        Feature vector of each arm.
    theta : array of float, shape (d,)
        What the means are linear in.
    concentration : float > 0
        c; the variance is mean (1 - mean) / (c + 1).
    """

    concentration: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    def parameters(self) -> _Shapes:
        """The means and the concentration."""
        return _Shapes(self.means, self.concentration)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward, one Beta variate a pull."""
        return _pull_beta

    def sum_kernel(self) -> Callable[..., Any]:
        """Draw a sum, one Beta variate a pull."""
        return _sum_beta


@description
class RewardTable:
    """Rewards known in advance: the j-th pull of an arm pays the j-th entry of its row, and no entry is paid twice.

    Parameters
    ----------
    rewards : array of float, shape (K, n)
        Row i holds the rewards of arm i; numbers outside [0, 1] are possible, and refused or clipped by policies.
    features : array of float, shape (K, d), optional
        Feature vector of each arm.

    Notes
    -----
    A pull beyond the end of a row raises ``IndexError``. Every run starts from the first column.

    Examples
    --------
    >>> table = RewardTable([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    >>> table.draw_sum([0, 1], 2, np.random.default_rng(0))
    array([1., 0.])
    >>> table.draw_sum([0], 4, np.random.default_rng(0))
    Traceback (most recent call last):
        ...
    IndexError: RewardTable: an arm has no reward left
    """

    rewards: FiniteMatrix
    features: FiniteMatrix | None = None

    def __post_init__(self) -> None:
        if self.features is not None and self.features.shape[0] != self.rewards.shape[0]:
            raise ValueError(
                f"features: has {self.features.shape[0]} rows, but there are {self.rewards.shape[0]} rows of rewards"
            )

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each row, shape (K,)."""
        return self.rewards.mean(axis=1)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return float(self.rewards.min()), float(self.rewards.max())

    @property
    def binary_rewards(self) -> bool:
        """Whether every reward is 0 or 1."""
        return bool(np.isin(self.rewards, (0.0, 1.0)).all())

    def parameters(self) -> _Table:
        """The table, and the number of single pulls of each arm so far: none."""
        return _Table(self.rewards, np.zeros(self.rewards.shape[0], np.int64))

    def kernel(self) -> Callable[..., Any]:
        """Read the next reward of an arm."""
        return _pull_table

    def sum_kernel(self) -> Callable[..., Any]:
        """Sum rewards first, ..., first + count - 1 of an arm."""
        return _sum_table

    draw_sum = LinearArms.draw_sum


@description
class NormTenArms:
    """Instance of dimension 2 in which one feature vector has norm 10, drawn anew by `sample`.

    theta = (0.045, 0.5); arm 0 = (0, 1) is best, arm 1 = (0, 0.9), arm 2 = (10, 0), and the others are (1, w) with w
    uniform on [0, 0.8]. The means are 0.5, 0.45, 0.45 and 0.045 + w / 2; rewards are uniform on [0, 2 mean].

    Parameters
    ----------
    n_arms : int >= 3
        K.
    """

    n_arms: Annotated[Count, Field(ge=3)] = 30

    def sample(self, rng: np.random.Generator) -> UniformLinearArms:
        """Draw w for each arm after the third."""
        drawn = [[1.0, w] for w in 0.8 * rng.random(self.n_arms - 3)]
        return UniformLinearArms(np.array([[0.0, 1.0], [0.0, 0.9], [10.0, 0.0], *drawn]), np.array([0.045, 0.5]))


@description
class SphereArms:
    """Feature vectors on the unit sphere with a constant 1 appended, drawn anew by `sample`; arm 0 is best.

    With x_i uniform on the sphere of R^(d-1), features are (x_i, 1) and theta = (0.45 x_0, 0.5): means in [0.05, 0.95].

    Parameters
    ----------
    n_arms : int >= 1
        K.
    dimension : int >= 2
        d, the constant included.
    rewards : {"bernoulli", "beta"}
        Law of the rewards.
    """

    n_arms: Count
    dimension: Annotated[Count, Field(ge=2)]
    rewards: Literal["bernoulli", "beta"] = "bernoulli"

    def sample(self, rng: np.random.Generator) -> LinearArms:
        """Draw the directions."""
        points = _directions(self.n_arms, self.dimension - 1, rng)
        return _centred(points, points[0], self.rewards)


@description
class UnitBallArms:
    """Feature vectors uniform in the unit ball with a constant 1 appended, drawn anew by `sample`.

    Features are (x_i, 1) and theta = (0.45 u, 0.5) with u uniform on the sphere of R^(d-1): means in [0.05, 0.95].

    Parameters
    ----------
    n_arms : int >= 1
        K.
    dimension : int >= 2
        d, the constant included.
    rewards : {"bernoulli", "beta"}
        Law of the rewards.
    """

    n_arms: Count
    dimension: Annotated[Count, Field(ge=2)]
    rewards: Literal["bernoulli", "beta"] = "bernoulli"

    def sample(self, rng: np.random.Generator) -> LinearArms:
        """Draw the points, then the direction of theta."""
        dimension = self.dimension - 1
        points = _directions(self.n_arms, dimension, rng)
        points *= rng.random((self.n_arms, 1)) ** (1.0 / dimension)
        return _centred(points, _directions(1, dimension, rng)[0], self.rewards)


def unstructured_instance(
    kind: Literal["staircase", "one sparse", "geometric"] = "staircase", n_arms: int = 9
) -> BernoulliLinearArms:
    """Arms without structure: the features are the unit vectors, theta the means.

    Parameters
    ----------
    kind : {"staircase", "one sparse", "geometric"}
        Means 0.9, 0.9 - 0.8 / (K - 1), ..., 0.1; means 0.6, 0.5, ..., 0.5; or 0.9 minus gaps 0.4 * 2^-((K - i) / K)
        for i = 2..K.
    n_arms : int >= 2
        K.
    """
    count = whole_number(n_arms, "n_arms", 2)
    if kind == "staircase":
        means = np.linspace(0.9, 0.1, count)
    elif kind == "one sparse":
        means = np.array([0.6] + [0.5] * (count - 1))
    elif kind == "geometric":
        gaps = 0.4 * 2.0 ** (-(count - np.arange(2, count + 1)) / count)
        means = 0.9 - np.concatenate([[0.0], gaps])
    else:
        raise ValueError(f"kind: {kind!r} is not one of staircase, one sparse, geometric")
    return BernoulliLinearArms(np.eye(count), means)


def pairs_instance(dimension: int) -> BernoulliLinearArms:
    """K = d (d + 1) / 2 arms: the unit vectors, and the means of any two of them; theta = (0.9, 0.5, ..., 0.5).

    K is less than d^2, so that DP-BAI pulls every arm although d is much smaller than K.

    Parameters
    ----------
    dimension : int >= 1
        d.
    """
    d = whole_number(dimension, "dimension", 1)
    first, second = np.triu_indices(d, 1)
    unit = np.eye(d)
    return BernoulliLinearArms(
        np.concatenate([unit, 0.5 * (unit[first] + unit[second])]), np.array([0.9] + [0.5] * (d - 1))
    )


def _directions(count: int, dimension: int, rng: np.random.Generator) -> NDArray[np.float64]:
    points = rng.standard_normal((count, dimension))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _centred(points: NDArray[np.float64], direction: NDArray[np.float64], rewards: str) -> LinearArms:
    features = np.column_stack([points, np.ones(len(points))])
    theta = np.append(0.45 * direction, 0.5)
    return BernoulliLinearArms(features, theta) if rewards == "bernoulli" else BetaLinearArms(features, theta)


@njit(cache=True, forceinline=True)
def _pull_bernoulli(params, arm, rng):
    return 1.0 if rng.random() < params.means[arm] else 0.0


@njit(cache=True, forceinline=True)
def _sum_bernoulli(params, arm, first, count, rng):
    return float(rng.binomial(count, params.means[arm]))


@njit(cache=True, forceinline=True)
def _pull_uniform(params, arm, rng):
    return 2.0 * params.means[arm] * rng.random()


@njit(cache=True)
def _sum_uniform(params, arm, first, count, rng):
    total = 0.0
    for _ in range(count):
        total += rng.random()
    return 2.0 * params.means[arm] * total


@njit(cache=True, forceinline=True)
def _pull_beta(params, arm, rng):
    mean = params.means[arm]
    # At 0 and 1 the law is a point, and a Beta variate has no such shape.
    return (
        mean if mean <= 0.0 or mean >= 1.0 else rng.beta(params.concentration * mean, params.concentration * (1 - mean))
    )


@njit(cache=True)
def _sum_beta(params, arm, first, count, rng):
    total = 0.0
    for _ in range(count):
        total += _pull_beta(params, arm, rng)
    return total


@njit(cache=True)
def _pull_table(params, arm, rng):
    read = params.pulls[arm]
    if read >= params.rewards.shape[1]:
        raise IndexError("RewardTable: an arm has no reward left")
    params.pulls[arm] += 1
    return params.rewards[arm, read]


@njit(cache=True)
def _sum_table(params, arm, first, count, rng):
    if first + count > params.rewards.shape[1]:
        raise IndexError("RewardTable: an arm has no reward left")
    total = 0.0
    for j in range(first, first + count):
        total += params.rewards[arm, j]
    return total
