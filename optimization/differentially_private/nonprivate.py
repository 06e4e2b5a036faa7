"""First-order methods without privacy, on the same finite sums: what private ones cost is one comparison.

Gradient descent, stochastic gradients, and the variance-reduced methods, with batches drawn with replacement. Steps
that are left out are those of the theorems, and `certificate` is then a bound of the root mean square of the gradients.

Sources: R. Johnson, T. Zhang, NeurIPS 2013, and S. Reddi et al., ICML 2016 (SVRG); L. Nguyen et al., ICML 2017
(SARAH); C. Fang et al., NeurIPS 2018 (SPIDER); Z. Wang et al., NeurIPS 2019 (SpiderBoost); Z. Li et al., ICML 2021
(PAGE). Their parameters are taken from the project's specification; the bounds are derived again here, with constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import Count, Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
from optimization.differentially_private.certificates import (
    page_bound_holds,
    sgd_bound,
    spider_bound,
    spider_bound_holds,
    svrg_bound,
)
from optimization.differentially_private.problem import (
    FiniteSum,
    check_problem,
    check_start,
    public_gradient,
    public_smoothness,
    sound,
    true_gradient,
)

__all__ = [
    "GD",
    "PAGE",
    "SARAH",
    "SGD",
    "SVRG",
    "FiniteSumMethod",
    "Spider",
    "SpiderBoost",
]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Estimate = Callable[[int, NDArray[np.float64]], tuple[NDArray[np.float64], int]]


@description
class FiniteSumMethod:
    """What the methods of this module share.

    Parameters
    ----------
    step : float > 0, optional
        eta; that of the method's theorem when omitted.
    output : {"uniform", "last", "average"}
        Which iterate is returned: one drawn before the run, of which the theorems speak, the last, or their mean.
    """

    step: Positive | None = None
    output: Annotated[Literal["uniform", "last", "average"], Field(kw_only=True)] = "uniform"

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        start: ArrayLike | None = None,
        checkpoints: ArrayLike | None = None,
        measure_all: bool = True,
    ) -> Trajectory:
        """Take T steps.

        Parameters
        ----------
        problem, rng, world, start, checkpoints
            As for `PrivateSpiderBoost`.
        horizon : int >= 1
            T.
        measure_all : bool
            Whether the true gradient is computed at every iterate, for ``root_mean_square``, or at checkpoints alone,
            which is faster.

        Returns
        -------
        Trajectory
            Metrics ``gradient_norm``, ``value`` and ``gradient_evaluations``. Outcome: ``iterate``, ``epsilon`` (inf),
            ``adjacency`` ("none"), ``noise_multiplier`` (0), ``step``, ``root_mean_square`` (NaN unless
            ``measure_all``), ``certificate`` and ``status``, as for `PrivateSpiderBoost`.
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        steps = whole_number(horizon, "horizon", 1)
        _, d, _, _ = check_problem(records)
        w = check_start(start, d)
        marks = checkpoint_rounds(steps, checkpoints)
        eta = self._eta(records, steps)
        chosen = int(own.random() * steps) if self.output == "uniform" else -1
        estimate = self._estimator(records, own)
        total, result = np.zeros(d), w
        norms, values, work = [], [], []
        evaluations, square, c, t, status = 0, 0.0, 0, 0, "finished"
        for t in range(steps):
            v, spent = estimate(t, w)
            evaluations += spent
            if not sound(v, d):
                status = "oracle_error"
                break
            at_mark = t + 1 == marks[c]
            if measure_all or at_mark:
                norm = float(np.linalg.norm(true_gradient(records, w)))
                square += norm * norm
            if at_mark:
                norms.append(norm)
                values.append(records.value(w))
                work.append(float(evaluations))
                c += 1
            total += w
            if t == chosen:
                result = w
            with np.errstate(over="ignore", invalid="ignore"):  # a status says it
                moved = w - self._length(v, eta, records) * v
            if not np.isfinite(moved).all():
                status = "diverged"
                break
            w = moved
        done = t + 1 if status == "finished" else t
        if self.output == "last" or status != "finished":
            result = w
        elif self.output == "average":
            result = total / steps
        return Trajectory(
            marks[:c],
            {"gradient_norm": np.array(norms), "value": np.array(values), "gradient_evaluations": np.array(work)},
            {
                "iterate": result,
                "epsilon": math.inf,
                "adjacency": "none",
                "noise_multiplier": 0.0,
                "step": eta,
                "root_mean_square": math.sqrt(square / done) if measure_all and done else math.nan,
                "certificate": self.certificate(records, steps) if status == "finished" else math.nan,
                "status": status,
            },
        )

    def certificate(self, problem: FiniteSum, horizon: int) -> float:
        """A proved bound of the root mean square of the gradients over T iterates; NaN where there is none.

        Parameters
        ----------
        problem : FiniteSum
        horizon : int >= 1
        """
        steps = whole_number(horizon, "horizon", 1)
        _, _, lipschitz, smoothness = check_problem(problem)
        if getattr(problem, "constants_assumed", False):
            return math.nan
        try:
            gap = float(problem.gap)
        except ValueError:
            return math.nan
        total, eta = smoothness + public_smoothness(problem), self._eta(problem, steps)
        if total == 0.0 or eta * total > 1.0:
            return math.nan
        return self._bound(problem, steps, eta, gap, lipschitz, smoothness, total)

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        raise NotImplementedError

    def _estimator(self, problem: Any, rng: np.random.Generator) -> Estimate:
        """A function of the step's number and the iterate: the direction, and how many gradients it took."""
        raise NotImplementedError

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        raise NotImplementedError

    def _length(self, v: NDArray[np.float64], eta: float, problem: Any) -> float:
        return eta

    def _eta(self, problem: Any, steps: int) -> float:
        if self.step is not None:
            return self.step
        n, _, _, smoothness = check_problem(problem)
        total = smoothness + public_smoothness(problem)
        if total == 0.0:
            raise ValueError("step: must be given for a problem without curvature")
        return self._default_step(n, total, problem, steps)


@description
class GD(FiniteSumMethod):
    """Gradient descent; eta = 1 / L1 when omitted.

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> run = GD().run(breast_cancer(), horizon=100, rng=np.random.default_rng(0))
    >>> bool(run.outcome["root_mean_square"] < run.outcome["certificate"])
    True
    """

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        return 1.0 / smoothness

    def _estimator(self, problem: Any, rng: np.random.Generator) -> Estimate:
        return lambda t, w: (true_gradient(problem, w), problem.n_records)

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        return spider_bound(steps, eta, gap, 0.0)


@description
class SGD(FiniteSumMethod):
    """Stochastic gradients; eta = min(1 / L1, sqrt(2 F0 b / (L1 L0^2 T))) when omitted.

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`.
    batch : int >= 1
        b, drawn with replacement.
    """

    batch: Annotated[Count, Field(kw_only=True)] = 1

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        tuned = math.sqrt(2.0 * float(problem.gap) * self.batch / (smoothness * steps)) / float(problem.lipschitz)
        return min(1.0 / smoothness, tuned)

    def _estimator(self, problem: Any, rng: np.random.Generator) -> Estimate:
        def estimate(t: int, w: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
            drawn = _with_replacement(problem.n_records, self.batch, rng)
            return problem.gradient_sum(w, batch=drawn) / self.batch + public_gradient(problem, w), self.batch

        return estimate

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        return sgd_bound(steps, eta, gap, total, lipschitz**2 / self.batch)


@description
class SVRG(FiniteSumMethod):
    """Stochastic gradients corrected by their differences from a snapshot; eta = 1 / (3 L1 n^{2/3}) when omitted.

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`.
    phase : int >= 1, optional
        m, steps from one snapshot to the next; n when omitted.
    batch : int >= 1
        Drawn with replacement.
    """

    phase: Annotated[Count | None, Field(kw_only=True)] = None
    batch: Annotated[Count, Field(kw_only=True)] = 1

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        return 1.0 / (3.0 * smoothness * n ** (2.0 / 3.0))

    def _estimator(self, problem: Any, rng: np.random.Generator) -> Estimate:
        return _reduced(problem, self.phase or problem.n_records, self.batch, rng, against_anchor=True)

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        found = svrg_bound(steps, eta, gap, total, min(self.phase or problem.n_records, steps), self.batch)
        return found if found < math.inf else math.nan


@description
class SARAH(FiniteSumMethod):
    """Recursive stochastic gradients; eta = 2 / (L1 (1 + sqrt(1 + 4 (m - 1) / b))) when omitted.

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`.
    phase : int >= 1, optional
        m, steps from one whole gradient to the next; n when omitted.
    batch : int >= 1
        b, drawn with replacement.
    """

    phase: Annotated[Count | None, Field(kw_only=True)] = None
    batch: Annotated[Count | None, Field(kw_only=True)] = 1

    def _sizes(self, n: int) -> tuple[int, int]:
        return self.phase or n, self.batch or 1

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        phase, batch = self._sizes(n)
        return 2.0 / (smoothness * (1.0 + math.sqrt(1.0 + 4.0 * (phase - 1) / batch)))

    def _estimator(self, problem: Any, rng: np.random.Generator) -> Estimate:
        return _reduced(problem, *self._sizes(problem.n_records), rng, against_anchor=False)

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        phase, batch = self._sizes(problem.n_records)
        # With eta as by default both sides are equal, up to rounding.
        holds = spider_bound_holds(eta * (1.0 - 1e-12), total, smoothness**2 / batch, phase)
        return spider_bound(steps, eta, gap, 0.0) if holds else math.nan


@description
class SpiderBoost(SARAH):
    """SARAH with phases and batches of the root of n, and eta = 1 / (2 L1).

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`.
    phase, batch : int >= 1, optional
        q and b; ceil(sqrt(n)) when omitted.
    """

    batch: Annotated[Count | None, Field(kw_only=True)] = None

    def _sizes(self, n: int) -> tuple[int, int]:
        return self.phase or _root(n), self.batch or _root(n)

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        return 0.5 / smoothness


@description
class Spider(SARAH):
    """SPIDER: SpiderBoost's estimate, and steps no longer than accuracy / L1.

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`; the step, 1 / (2 L1) when omitted, is the most that estimates are multiplied by.
    accuracy : float > 0
        The gradient norm aimed at, up to a factor of 5.
    phase, batch : int >= 1, optional
        q and b; ceil(sqrt(n)) when omitted.
    """

    batch: Annotated[Count | None, Field(kw_only=True)] = None
    accuracy: Annotated[Positive, Field(kw_only=True)] = 0.01

    def _sizes(self, n: int) -> tuple[int, int]:
        return self.phase or _root(n), self.batch or _root(n)

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        return 0.5 / smoothness

    def _length(self, v: NDArray[np.float64], eta: float, problem: Any) -> float:
        norm = float(np.linalg.norm(v))
        reach = self.accuracy / (float(problem.smoothness) + public_smoothness(problem))
        return eta if eta * norm <= reach else reach / norm

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        return math.nan  # what is proved is of the mean norm: `spider_accuracy_bound`


@description
class PAGE(FiniteSumMethod):
    """Recursive stochastic gradients with whole ones at random; eta = 1 / (2 L1) when omitted.

    Parameters
    ----------
    step, output
        As for `FiniteSumMethod`.
    batch : int >= 1, optional
        b; ceil(sqrt(n)) when omitted.
    restart : float in (0, 1], optional
        p, the chance of a whole gradient; b / (n + b) when omitted, which is 1 / (1 + sqrt(n)).
    """

    batch: Annotated[Count | None, Field(kw_only=True)] = None
    restart: Annotated[float | None, Field(gt=0.0, le=1.0, kw_only=True)] = None

    def _sizes(self, n: int) -> tuple[float, int]:
        batch = self.batch or _root(n)
        return batch / (n + batch) if self.restart is None else self.restart, batch

    def _default_step(self, n: int, smoothness: float, problem: Any, steps: int) -> float:
        restart, batch = self._sizes(n)
        return 1.0 / (smoothness * (1.0 + math.sqrt((1.0 - restart) / (restart * batch))))

    def _estimator(self, problem: Any, rng: np.random.Generator) -> Estimate:
        restart, batch = self._sizes(problem.n_records)
        return _reduced(problem, lambda: rng.random() < restart, batch, rng, against_anchor=False)

    def _bound(
        self, problem: Any, steps: int, eta: float, gap: float, lipschitz: float, smoothness: float, total: float
    ) -> float:
        holds = page_bound_holds(eta, total, *self._sizes(problem.n_records))
        return spider_bound(steps, eta, gap, 0.0) if holds else math.nan


def _reduced(
    problem: Any, phase: int | Callable[[], bool], batch: int, rng: np.random.Generator, *, against_anchor: bool
) -> Estimate:
    """Whole gradients every `phase` steps, or when it says so, and batches' differences in between."""
    before: Any = None
    recursive: Any = None

    def estimate(t: int, w: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
        nonlocal before, recursive
        n = problem.n_records
        whole = t == 0 or (t % phase == 0 if isinstance(phase, int) else phase())
        if whole:
            found, spent = problem.gradient_sum(w) / n, n
        else:
            drawn = _with_replacement(n, batch, rng)
            found, spent = recursive + problem.variation_sum(w, before, batch=drawn) / batch, 2 * batch
        if whole or not against_anchor:
            before, recursive = w, found
        return found + public_gradient(problem, w), spent

    return estimate


def _with_replacement(n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return (rng.random(size) * n).astype(np.int64)


def _root(n: int) -> int:
    """ceil(sqrt(n))."""
    return math.isqrt(n - 1) + 1
