"""Risks whose records are points: estimating a mean, linear losses, and a coin whose bias is hard to see.

Source: Arora et al., ICML 2023 (arXiv:2206.00846): the instances of Theorem 4.3, which no private method can solve
better than to L0 min(1, sqrt(d ln(1/delta)) / (n epsilon)), and of Theorem A.2, which no method at all can.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.arrays import FiniteMatrix
from algos.contracts import Count, check_generator, description

__all__ = ["CoinPopulation", "CoinRisk", "LinearRisk", "MeanRisk"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_SLACK = 1.0 + 1e-12  # a norm that rounding lifts above the bound is not clipped; the noise covers it


@description
class MeanRisk:
    """The mean of (L1/2) |w - x|^2, made Lipschitz: L0 |w - x| - L0^2 / (2 L1) beyond the distance B = L0 / L1.

    Points lie within B / 4 of 0. Then the gradient is L1 (w - mean) for |w| <= 3 B / 4, and at least L0 / 2 long
    wherever |w - mean| > B / 2: to find a stationary point is to find the mean.

    Parameters
    ----------
    points : float, shape (n, d)
    lipschitz, smoothness : float > 0
        L0 and L1.

    Examples
    --------
    >>> risk = MeanRisk([[0.1, 0.0], [-0.1, 0.2]])
    >>> (risk.gradient_sum(np.zeros(2)) / 2).tolist()
    [0.0, -0.1]
    """

    points: FiniteMatrix
    lipschitz: Positive = 1.0
    smoothness: Positive = 1.0

    @model_validator(mode="after")
    def _fits(self) -> MeanRisk:
        _no_longer(self.points, 0.25 * self.lipschitz / self.smoothness, "points", "lipschitz / (4 smoothness)")
        return self

    @property
    def n_records(self) -> int:
        """How many points."""
        return len(self.points)

    @property
    def dimension(self) -> int:
        """Of a point."""
        return int(self.points.shape[1])

    @property
    def convex(self) -> bool:
        """It is."""
        return True

    @property
    def gap(self) -> float:
        """F0 from 0, for any points: L0^2 / (32 L1)."""
        return self.lipschitz**2 / (32.0 * self.smoothness)

    def value(self, w: ArrayLike) -> float:
        """The risk at w, shape (d,)."""
        distance = np.linalg.norm(_point(w, self.dimension) - self.points, axis=1)
        inside = 0.5 * self.smoothness * distance**2
        outside = self.lipschitz * distance - 0.5 * self.lipschitz**2 / self.smoothness
        return float(np.where(distance * self.smoothness <= self.lipschitz, inside, outside).mean())

    def gradient_sum(
        self, w: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the points' gradients, each scaled down to a norm of at most `clip`; as `LinearModelRisk` has it."""
        at, total = _point(w, self.dimension), np.zeros(self.dimension)
        _mean_sum(self.points, self.lipschitz, self.smoothness, at, at, False, clip, *_chosen(batch), total)
        return total

    def variation_sum(
        self, w: ArrayLike, before: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the differences of their gradients at two points."""
        at, then, total = _point(w, self.dimension), _point(before, self.dimension), np.zeros(self.dimension)
        _mean_sum(self.points, self.lipschitz, self.smoothness, at, then, True, clip, *_chosen(batch), total)
        return total


@description
class LinearRisk:
    """The mean of <w, x>: every gradient is its record, and nothing ever varies. For audits.

    Parameters
    ----------
    vectors : float, shape (n, d)
        Of norm at most L0.
    lipschitz : float > 0
        L0, declared.
    """

    vectors: FiniteMatrix
    lipschitz: Positive = 1.0

    @model_validator(mode="after")
    def _fits(self) -> LinearRisk:
        _no_longer(self.vectors, self.lipschitz, "vectors", "lipschitz")
        return self

    @property
    def n_records(self) -> int:
        """How many vectors."""
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Of a vector."""
        return int(self.vectors.shape[1])

    @property
    def smoothness(self) -> float:
        """L1 = 0."""
        return 0.0

    @property
    def convex(self) -> bool:
        """It is."""
        return True

    @property
    def gap(self) -> float:
        """There is none: the risk is not bounded below.

        Raises
        ------
        ValueError
        """
        raise ValueError("gap: a linear risk has no least value")

    def value(self, w: ArrayLike) -> float:
        """The risk at w, shape (d,)."""
        return float((self.vectors @ _point(w, self.dimension)).mean())

    def gradient_sum(
        self, w: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the vectors, each scaled down to a norm of at most `clip`."""
        _point(w, self.dimension)
        rows = self.vectors if batch is None else self.vectors[batch]
        norms = np.linalg.norm(rows, axis=1)
        scale = np.where(norms > clip * _SLACK, clip / np.maximum(norms, 1e-300), 1.0)
        return np.asarray(scale @ rows)

    def variation_sum(
        self, w: ArrayLike, before: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """0."""
        _point(w, self.dimension)
        return np.zeros_like(_point(before, self.dimension))


@description
class CoinPopulation:
    """The instance of Theorem A.2: x is 1 with probability (1 + v p) / 2 and -1 otherwise, p = 1 / (4 sqrt(n)).

    The loss is (L0/2) w x + (L1/2) D(w), D(w) = w^2 for |w| <= L0 / (2 L1) and L0 |w| / L1 - L0^2 / (4 L1^2) beyond.
    From n records the sign v of the bias is hard to see, and where it is mistaken the gradient of the population is at
    least L0 p / 2.

    Parameters
    ----------
    n_records : int >= 1
    bias : {-1, 1}
        v.
    lipschitz, smoothness : float > 0
        L0 and L1.
    """

    n_records: Count
    bias: Annotated[int, Field(ge=-1, le=1)] = 1
    lipschitz: Positive = 1.0
    smoothness: Positive = 1.0

    @model_validator(mode="after")
    def _fits(self) -> CoinPopulation:
        if self.bias == 0:
            raise ValueError("bias = 0: must be -1 or 1")
        return self

    @property
    def heads(self) -> float:
        """The probability of x = 1."""
        return 0.5 * (1.0 + self.bias * 0.25 / math.sqrt(self.n_records))

    def sample(self, rng: np.random.Generator) -> CoinRisk:
        """Draw n records.

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        source = check_generator(rng, "sampling the coin")
        return CoinRisk(self, int(source.binomial(self.n_records, self.heads)))

    def gradient(self, w: float) -> float:
        """Of the population's risk."""
        return 0.5 * self.lipschitz * (2.0 * self.heads - 1.0) + self._pull(w)

    def value(self, w: float) -> float:
        """The population's risk."""
        return 0.5 * self.lipschitz * (2.0 * self.heads - 1.0) * w + self._bowl(w)

    def _pull(self, w: float) -> float:
        """The derivative of (L1/2) D."""
        most = 0.5 * self.lipschitz
        return min(max(self.smoothness * w, -most), most)

    def _bowl(self, w: float) -> float:
        """(L1/2) D."""
        size, edge = abs(w), 0.5 * self.lipschitz / self.smoothness
        if size <= edge:
            return 0.5 * self.smoothness * size**2
        return 0.5 * self.lipschitz * size - 0.125 * self.lipschitz**2 / self.smoothness


@description
class CoinRisk:
    """n records of a `CoinPopulation`, of which the first few are 1.

    Parameters
    ----------
    population : CoinPopulation
    ones : int in 0..n
    """

    population: CoinPopulation
    ones: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _fits(self) -> CoinRisk:
        if self.ones > self.population.n_records:
            raise ValueError(f"ones = {self.ones}: is above the {self.population.n_records} records")
        return self

    @property
    def n_records(self) -> int:
        """How many records."""
        return self.population.n_records

    @property
    def dimension(self) -> int:
        """1."""
        return 1

    @property
    def lipschitz(self) -> float:
        """L0."""
        return self.population.lipschitz

    @property
    def smoothness(self) -> float:
        """L1."""
        return self.population.smoothness

    @property
    def convex(self) -> bool:
        """It is."""
        return True

    @property
    def gap(self) -> float:
        """F0 from 0, for any records: L0^2 / (8 L1)."""
        return self.lipschitz**2 / (8.0 * self.smoothness)

    def value(self, w: ArrayLike) -> float:
        """The risk of the records."""
        at = float(_point(w, 1)[0])
        return 0.5 * self.lipschitz * (2.0 * self.ones / self.n_records - 1.0) * at + self.population._bowl(at)

    def gradient_sum(
        self, w: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the records' gradients, each cut to at most `clip`."""
        pull = self.population._pull(float(_point(w, 1)[0]))
        count = self.n_records if batch is None else len(batch)
        heads = self.ones if batch is None else int(np.count_nonzero(np.asarray(batch) < self.ones))
        one, other = (_cut(sign * 0.5 * self.lipschitz + pull, clip) for sign in (1.0, -1.0))
        return np.array([heads * one + (count - heads) * other])

    def variation_sum(
        self, w: ArrayLike, before: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the differences of their gradients at two points, the same for all."""
        now, then = (self.population._pull(float(_point(at, 1)[0])) for at in (w, before))
        return np.array([(self.n_records if batch is None else len(batch)) * _cut(now - then, clip)])


def _cut(value: float, clip: float) -> float:
    return math.copysign(clip, value) if abs(value) > clip * _SLACK else value


def _point(w: ArrayLike, dimension: int) -> NDArray[np.float64]:
    point = np.ascontiguousarray(w, dtype=np.float64)
    if point.shape != (dimension,):
        raise ValueError(f"w: shape {point.shape} is not ({dimension},)")
    return point


def _no_longer(rows: NDArray[np.float64], bound: float, name: str, of: str) -> None:
    norms = np.linalg.norm(rows, axis=1)
    long = np.flatnonzero(norms > bound * _SLACK)
    if long.size:
        raise ValueError(f"{name}: row {long[0]} has norm {norms[long[0]]:g}, above {of} = {bound:g}")


def _chosen(batch: NDArray[np.int64] | None) -> tuple[NDArray[np.int64], bool]:
    return (_ALL, True) if batch is None else (batch, False)


_ALL = np.empty(0, dtype=np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _mean_sum(points, lipschitz, smoothness, w, before, difference, clip, batch, everybody, total):
    """Sum over the records of their clipped gradients, or of the differences from those before, shape (d,)."""
    count = points.shape[0] if everybody else batch.size
    for b in range(count):
        i = b if everybody else batch[b]
        now = _slope(points, i, lipschitz, smoothness, w)
        then = _slope(points, i, lipschitz, smoothness, before) if difference else 0.0
        square = 0.0
        for j in range(total.size):
            part = now * (w[j] - points[i, j]) - then * (before[j] - points[i, j])
            square += part * part
        norm = math.sqrt(square)
        scale = clip / norm if norm > clip * _SLACK else 1.0
        for j in range(total.size):
            total[j] += scale * (now * (w[j] - points[i, j]) - then * (before[j] - points[i, j]))


@njit(cache=True, forceinline=True, error_model="numpy")
def _slope(points, i, lipschitz, smoothness, w):
    """The gradient at w over w - x."""
    square = 0.0
    for j in range(w.size):
        square += (w[j] - points[i, j]) ** 2
    distance = math.sqrt(square)
    return smoothness if smoothness * distance <= lipschitz else lipschitz / distance
