"""Rounds that come with something to look at: features of the arms, or the advice of experts.

`LinearContexts` draws features anew each round, `ContextualRewards` and `AdvisedRewards` replay your own tables. What a
policy is shown is the ``context`` of the round: an array (K, d), one feature vector an arm, from worlds that have a
``dimension``; an array (M, K), one distribution over the arms an expert, from worlds that have ``n_experts``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo

from algos.arrays import FiniteMatrix, FiniteTensor, FiniteVector
from algos.contracts import Count, NonNegative, description
from algos.rounds import RoundKernels

__all__ = ["AdvisedRewards", "ContextualRewards", "LinearContexts"]


class _Linear(NamedTuple):
    theta: np.ndarray  # (d,) float64
    n_arms: int
    sigma: float
    radius: float


class _LinearRound(NamedTuple):
    theta: np.ndarray  # (d,) float64
    features: np.ndarray  # (K, d) float64, this round's
    sigma: float
    radius: float


@description
class LinearContexts:
    """Rewards linear in features that are drawn anew each round, uniformly on a sphere, plus normal noise.

    Parameters
    ----------
    theta : array of float, shape (d,)
        The coefficients: an arm with features x has mean reward <theta, x>.
    n_arms : int >= 1
        Number of arms.
    sigma : float >= 0
        Standard deviation of the noise.
    radius : float > 0
        Length of all feature vectors.

    Notes
    -----
    Regret is against the arm of each round whose mean is best.
    """

    theta: FiniteVector
    n_arms: Count
    sigma: NonNegative = 1.0
    radius: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    support: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """Bounds of the rewards."""

    @property
    def dimension(self) -> int:
        """Number of features, d."""
        return int(self.theta.size)

    def parameters(self) -> _Linear:
        """The fields."""
        return _Linear(self.theta, self.n_arms, self.sigma, self.radius)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: one normal variate a pull."""
        return _pull_linear

    def round_kernels(self) -> RoundKernels:
        """Features and means of each round."""
        return RoundKernels(_start_linear, _draw_features, _features, _linear_mean)


def _row_for_row(of: str, arms_axis: int) -> AfterValidator:
    """The table of rewards has a row for each round of the field `of`, and a column for each of its arms."""

    def validate(rewards: NDArray[np.float64], info: ValidationInfo) -> NDArray[np.float64]:
        shown = info.data.get(of)
        if shown is not None and rewards.shape != (shown.shape[0], shown.shape[arms_axis]):
            raise ValueError(f"has shape {rewards.shape}, which does not fit {of} of shape {shown.shape}")
        return rewards

    return AfterValidator(validate)


class _Round(NamedTuple):
    shown: np.ndarray  # (T, K, d) or (T, M, K) float64
    rewards: np.ndarray  # (T, K) float64
    row: np.ndarray  # (1,) int64, the round's row


class _Replay:
    """What replayed tables share: the reward of each arm in each round, and something shown before."""

    rewards: Any

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return int(self.rewards.shape[1])

    @property
    def n_rounds(self) -> int:
        """Rounds in the tables."""
        return len(self.rewards)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return float(self.rewards.min()), float(self.rewards.max())

    def kernel(self) -> Callable[..., Any]:
        """The reward of an arm in this round; nothing is drawn."""
        return _pay


@description
class ContextualRewards(_Replay):
    """Features and rewards of all arms, round by round, fixed in advance.

    Parameters
    ----------
    features_by_round : array of float, shape (T, K, d)
        The features of each arm in each round.
    rewards : array of float, shape (T, K)
        What each arm pays in each round.

    Notes
    -----
    Regret is against the arm of each round that pays most.
    """

    features_by_round: FiniteTensor
    rewards: Annotated[FiniteMatrix, _row_for_row("features_by_round", 1)]

    @property
    def dimension(self) -> int:
        """Number of features, d."""
        return int(self.features_by_round.shape[2])

    def parameters(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both tables."""
        return self.features_by_round, self.rewards

    def round_kernels(self) -> RoundKernels:
        """Features and rewards of each round."""
        return RoundKernels(_open, _next, _shown, _in_row)


def _distributions(advice: NDArray[np.float64]) -> NDArray[np.float64]:
    bad = (advice < 0).any(axis=2) | (np.abs(advice.sum(axis=2) - 1) > 1e-9)
    if bad.any():
        t, m = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"of expert {m} in round {t + 1} is {advice[t, m]}, no probability distribution")
    return advice


@description
class AdvisedRewards(_Replay):
    """Rewards fixed in advance, and experts who advise a distribution over the arms each round.

    Parameters
    ----------
    advice : array of float in [0, 1], shape (T, M, K)
        The advice of each of M experts in each round: a distribution over the arms, the last axis sums to one.
    rewards : array of float, shape (T, K)
        What each arm pays in each round.

    Notes
    -----
    ``regret`` is against the expert who is best in hindsight, an expert's reward being the mean over their advice.
    """

    advice: Annotated[FiniteTensor, AfterValidator(_distributions)]
    rewards: Annotated[FiniteMatrix, _row_for_row("advice", 2)]

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return int(self.advice.shape[1])

    @property
    def n_rivals(self) -> int:
        """The experts are what regret compares with."""
        return self.n_experts

    def parameters(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both tables."""
        return self.advice, self.rewards

    def round_kernels(self) -> RoundKernels:
        """Advice and rewards of each round, and what the experts get."""
        return RoundKernels(_open, _next, _shown, _in_row, _advised)


@njit(cache=True)
def _start_linear(params, rng):
    return _LinearRound(params.theta, np.zeros((params.n_arms, params.theta.size)), params.sigma, params.radius)


@njit(cache=True, forceinline=True, error_model="numpy")
def _draw_features(world, t, rng):
    features = world.features
    for i in range(features.shape[0]):
        square = 0.0
        for j in range(features.shape[1]):
            x = rng.standard_normal()
            features[i, j] = x
            square += x * x
        if square == 0.0:  # no direction at all: any will do
            features[i, 0] = square = 1.0
        scale = world.radius / math.sqrt(square)
        for j in range(features.shape[1]):
            features[i, j] *= scale


@njit(cache=True, forceinline=True)
def _features(world):
    return world.features


@njit(cache=True, forceinline=True)
def _linear_mean(world, arm):
    mean = 0.0
    for j in range(world.theta.size):
        mean += world.theta[j] * world.features[arm, j]
    return mean


@njit(cache=True, forceinline=True)
def _pull_linear(world, arm, rng):
    return _linear_mean(world, arm) + world.sigma * rng.standard_normal()


@njit(cache=True)
def _open(params, rng):
    return _Round(params[0], params[1], np.zeros(1, np.int64))


@njit(cache=True, forceinline=True)
def _next(world, t, rng):
    world.row[0] = t - 1


@njit(cache=True, forceinline=True)
def _shown(world):
    return world.shown[world.row[0]]


@njit(cache=True, forceinline=True)
def _in_row(world, arm):
    return world.rewards[world.row[0], arm]


@njit(cache=True, forceinline=True)
def _advised(world, expert):
    row, mean = world.row[0], 0.0
    for k in range(world.rewards.shape[1]):
        mean += world.shown[row, expert, k] * world.rewards[row, k]
    return mean


@njit(cache=True, forceinline=True)
def _pay(world, arm, rng):
    return world.rewards[world.row[0], arm]
