"""First-order methods on finite sums with the noise that a privacy budget asks for, or none.

`PrivateSpiderBoost` releases the whole gradient at anchors and only its variation in between, whose noise shrinks with
the step. Its special cases are noisy gradient descent, one anchor a step, and SpiderBoost without privacy.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Algorithm 2. The paper's noise scales have an unspecified constant;
here an accountant sets the noise. The tuned schedule and the certificate are derived, as the specification states them.
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.contracts import Count, Trajectory, check_generator, checkpoint_rounds, description, whole_number
from algos.privacy import (
    Accountant,
    Adjacency,
    Delta,
    Epsilon,
    GaussianReleases,
    Sampling,
    compose,
    gaussian_mu,
    least_multiplier,
)
from optimization.differentially_private.certificates import spider_bound, spider_bound_holds
from optimization.differentially_private.problem import FiniteSum, check_problem, draw_batch
from optimization.differentially_private.release import release_multipliers, release_run

__all__ = ["DPGD", "DPSGD", "PrivateSpiderBoost", "SpiderSchedule", "descent_schedule", "spider_schedule"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Output = Literal["uniform", "last", "average"]
_MOST_RELEASES = 10**7
_SLACK = 1.0 + 1e-12  # of clipped norms, which rounding may exceed


class SpiderSchedule(NamedTuple):
    """Numbers of a run of `PrivateSpiderBoost` with full batches."""

    horizon: int  # T, releases
    phase: int  # q, from one anchor to the next


def spider_schedule(problem: FiniteSum, epsilon: float, delta: float) -> SpiderSchedule:
    """The schedule that makes the explicit bound about least, for full batches and half of the budget for anchors.

    T = (L1 F0 / 16)^{1/3} (n mu)^{4/3} / (d L0)^{2/3} and q = 1 + n^2 mu^2 / (4 d T), rounded.

    Parameters
    ----------
    problem : FiniteSum
        Its constants and sizes are read, not its records.
    epsilon, delta
        The budget, for replaced records.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> spider_schedule(breast_cancer(), 1.0, 1e-5)
    SpiderSchedule(horizon=30, phase=7)
    """
    n, d, lipschitz, smoothness = check_problem(problem)
    mu = gaussian_mu(epsilon, delta)
    if mu == math.inf:
        raise ValueError("epsilon: inf asks for no noise, and for no schedule")
    wanted = (smoothness * problem.gap / 16.0) ** (1.0 / 3.0) * (n * mu) ** (4.0 / 3.0) / (d * lipschitz) ** (2.0 / 3.0)
    if wanted > _MOST_RELEASES:
        warnings.warn(f"the tuned horizon {wanted:.3g} is cut to {_MOST_RELEASES:,}", UserWarning, stacklevel=2)
    horizon = max(1, round(min(wanted, float(_MOST_RELEASES))))
    phase = max(1, min(horizon, math.floor(1.0 + n * n * mu * mu / (4.0 * d * horizon) + 1e-9)))
    return SpiderSchedule(horizon, phase)


def descent_schedule(problem: FiniteSum, epsilon: float, delta: float) -> int:
    """The number of steps of `DPGD` that makes its explicit bound least: n mu sqrt(L1 F0 / (2 d)) / L0, rounded.

    Parameters
    ----------
    problem : FiniteSum
    epsilon, delta
        The budget, for replaced records.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> descent_schedule(breast_cancer(), 1.0, 1e-5)
    17
    """
    n, d, lipschitz, smoothness = check_problem(problem)
    mu = gaussian_mu(epsilon, delta)
    if mu == math.inf:
        raise ValueError("epsilon: inf asks for no noise, and for no schedule")
    wanted = n * mu * math.sqrt(smoothness * problem.gap / (2.0 * d)) / lipschitz
    return max(1, round(min(wanted, float(_MOST_RELEASES))))


@description
class PrivateSpiderBoost:
    """Private SpiderBoost: gradients at anchors, clipped and noisy variations in between.

    Parameters
    ----------
    epsilon : float > 0
        inf: no noise, and no privacy.
    delta : float in (0, 1)
        A value of 1 / n or more is warned of.
    phase : int >= 1, optional
        q, releases from one anchor to the next; that of `spider_schedule` when omitted.
    step : float > 0, optional
        eta; 1 / (2 L1) when omitted.
    anchor_batch, variation_batch : int >= 1, optional
        b1 and b2, nominal sizes of batches; all records when omitted.
    sampling : {"full", "poisson", "wor"}
        How batches are drawn; "wor" (fixed size) for replaced records alone.
    adjacency : {"replace_one", "add_remove"}
        What neighbouring tables are; it is part of the result, and budgets of the two are not comparable.
    enforce : {"clip", "assume"}
        Whether every record's gradient is cut to L0, and every difference to min(L1 r, 2 L0), so that the budget holds
        whatever the constants; or the constants are trusted.
    anchor_share : float in (0, 1)
        Share of the budget (of mu^2) that anchors take, for full batches. With sampled batches both kinds have the same
        noise multiplier.
    accountant : {"auto", "gdp", "pld", "rdp", "rdp_whole_orders"}
        As for `algos.privacy.compose`.
    output : {"uniform", "last", "average"}
        Which iterate is returned: one drawn before the run, of which the theorem speaks, the last, or their mean.
    mode : {"simulation", "release"}
        A simulation is seeded, its noise is of floating-point numbers, and true gradient norms are measured for the
        metrics: fit to study a method, not for release. A release draws exact noise from the operating system, takes no
        generator, and returns the iterate, the budget and a statement, without metrics; see `release_run`.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> problem = breast_cancer()
    >>> run = PrivateSpiderBoost(8.0, 1e-5).run(problem, horizon=343, rng=np.random.default_rng(0))
    >>> round(run.outcome["epsilon"], 9), run.outcome["adjacency"]
    (8.0, 'replace_one')
    >>> bool(run.outcome["root_mean_square"] < run.outcome["certificate"])
    True
    """

    epsilon: Epsilon
    delta: Delta
    phase: Count | None = None
    step: Annotated[Positive | None, Field(kw_only=True)] = None
    anchor_batch: Annotated[Count | None, Field(kw_only=True)] = None
    variation_batch: Annotated[Count | None, Field(kw_only=True)] = None
    sampling: Sampling = Field(default="full", kw_only=True)
    adjacency: Adjacency = Field(default="replace_one", kw_only=True)
    enforce: Literal["clip", "assume"] = Field(default="clip", kw_only=True)
    anchor_share: Annotated[float, Field(gt=0.0, lt=1.0, kw_only=True)] = 0.5
    accountant: Accountant = Field(default="auto", kw_only=True)
    output: Output = Field(default="uniform", kw_only=True)
    mode: Literal["simulation", "release"] = Field(default="simulation", kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> PrivateSpiderBoost:
        if self.sampling == "full" and (self.anchor_batch is not None or self.variation_batch is not None):
            raise ValueError("sampling = 'full': batches are of all records; say 'poisson' or 'wor'")
        if self.mode == "release":
            if self.enforce != "clip":
                raise ValueError("enforce = 'assume': a release is private only when records are clipped")
            if self.sampling != "full":
                raise ValueError(f"sampling = {self.sampling!r}: releases are of all records, 'full'")
            if self.epsilon == math.inf:
                raise ValueError("epsilon = inf: a release needs a budget")
        return self

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator | None,
        *,
        world: np.random.Generator | None = None,
        start: ArrayLike | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
    ) -> Trajectory:
        """Take T steps.

        Parameters
        ----------
        problem : FiniteSum
            Any object as `optimization.differentially_private.FiniteSum` says.
        horizon : int >= 1
            T, releases.
        rng : numpy.random.Generator
            Draws noise, batches and the output's number; None with ``mode="release"``.
        world : numpy.random.Generator, optional
            Draws a problem that has ``sample``.
        start : float, shape (d,), optional
            w0, chosen without the data; 0 when omitted.
        checkpoints : array of int in 1..horizon, optional
            At which metrics are recorded; at most 200 logarithmically spaced ones when omitted.
        trace : bool
            True adds ``releases``, the noisy sums, shape (T, d), ``noise``, their standard deviations, (T,), and
            ``iterates``, the points at which they were made, (T, d).

        Returns
        -------
        Trajectory
            Metrics ``gradient_norm`` (true, at the iterate at which the release was made), ``value`` and
            ``gradient_evaluations``. Outcome: ``iterate``, ``epsilon``, ``delta``, ``adjacency``, ``sampling``,
            ``accountant``, ``noise_multiplier`` (of anchors and of variations), ``step``, ``phase``,
            ``root_mean_square`` of the true gradients over all iterates, ``certificate``, a proved bound of its mean
            square's root or NaN, and ``status``.
        """
        from algos.contracts import realize

        if self.mode == "release":
            return self._release(problem, horizon, rng, world, start, checkpoints, trace)
        own = check_generator(rng, type(self).__name__)
        records = realize(problem, own if world is None else world)
        releases = whole_number(horizon, "horizon", 1)
        plan = self._plan(records, releases)
        w = np.zeros(plan.d) if start is None else np.array(start, dtype=np.float64)
        if w.shape != (plan.d,) or not np.isfinite(w).all():
            raise ValueError(f"start: must be finite numbers of shape ({plan.d},)")
        marks = checkpoint_rounds(releases, checkpoints)
        return _descend(self, records, plan, w, own, marks, trace)

    def certificate(self, problem: FiniteSum, horizon: int) -> float:
        """A proved bound of the root mean square of the true gradients over a run's iterates; NaN where there is none.

        Parameters
        ----------
        problem : FiniteSum
            Its constants and sizes are read, not its records.
        horizon : int >= 1
            T.
        """
        releases = whole_number(horizon, "horizon", 1)
        plan = self._plan(problem, releases)
        if self.mode == "release":  # the noise of its accountant, a little more
            anchors = -(-releases // plan.phase)
            z = release_multipliers(self, anchors, releases - anchors)
            plan = plan._replace(anchor_noise=z[0] * (1.0 + 2.0**-29), variation_noise=z[1] * (1.0 + 2.0**-29))
        return _certificate(self, plan, releases)

    def _release(
        self, problem: FiniteSum, horizon: int, rng: Any, world: Any, start: Any, checkpoints: Any, trace: bool
    ) -> Trajectory:
        if rng is not None or world is not None:
            raise ValueError(
                "rng: a release draws from the operating system; noise that can be repeated protects nobody"
            )
        if trace or checkpoints is not None:
            raise ValueError("trace, checkpoints: a release returns neither a trajectory nor true gradient norms")
        releases = whole_number(horizon, "horizon", 1)
        n, d, _, smoothness = check_problem(problem)
        if self.delta >= 1.0 / n:
            warnings.warn(f"delta = {self.delta:g} is not below 1 / n = {1 / n:g}", UserWarning, stacklevel=3)
        w = np.zeros(d) if start is None else np.array(start, dtype=np.float64)
        if w.shape != (d,) or not np.isfinite(w).all():
            raise ValueError(f"start: must be finite numbers of shape ({d},)")
        return release_run(self, problem, releases, self._phase(problem, releases), self._step(smoothness), w)

    def _plan(self, problem: FiniteSum, releases: int) -> _Plan:
        n, d, lipschitz, smoothness = check_problem(problem)
        if self.delta >= 1.0 / n:
            warnings.warn(f"delta = {self.delta:g} is not below 1 / n = {1 / n:g}", UserWarning, stacklevel=3)
        phase = self._phase(problem, releases)
        sizes = [n if size is None else size for size in (self.anchor_batch, self.variation_batch)]
        for name, size in zip(("anchor_batch", "variation_batch"), sizes, strict=True):
            if size > n:
                raise ValueError(f"{name}: {size} is above the {n} records")
        step = self._step(smoothness)
        anchors = -(-releases // phase)
        z, spent = self._noise(anchors, releases - anchors, sizes[0] / n, sizes[1] / n, n)
        return _Plan(n, d, lipschitz, smoothness, phase, step, sizes[0], sizes[1], *z, spent, self._gap_of(problem))

    def _phase(self, problem: FiniteSum, releases: int) -> int:
        if self.phase is not None:
            return self.phase
        if self.epsilon == math.inf:
            return max(1, math.isqrt(problem.n_records))
        tuned = spider_schedule(problem, self.epsilon, self.delta)
        return min(tuned.phase, releases)

    def _step(self, smoothness: float) -> float:
        if self.step is None:
            if smoothness == 0.0:
                raise ValueError("step: must be given for a problem without curvature")
            return self._default_step / smoothness
        if self.step * smoothness > 1.0:
            warnings.warn(f"step = {self.step:g} is above 1 / L1 = {1 / smoothness:g}", UserWarning, stacklevel=4)
        return self.step

    _default_step = 0.5

    def _gap_of(self, problem: FiniteSum) -> float:
        try:
            return float(problem.gap)
        except ValueError:
            return math.nan

    def _noise(
        self, anchors: int, variations: int, anchor_rate: float, variation_rate: float, n: int
    ) -> tuple[tuple[float, float], Any]:
        """Noise multipliers of both kinds, and what they cost."""
        if self.epsilon == math.inf:
            return (0.0, 0.0), None
        if anchor_rate == 1.0 and variation_rate == 1.0:
            mu = gaussian_mu(self.epsilon, self.delta)
            share = self.anchor_share if variations > 0 else 1.0
            pair = (
                math.sqrt(anchors / share) / mu,
                math.sqrt(variations / (1.0 - share)) / mu if variations > 0 else 0.0,
            )
        else:
            one = least_multiplier(lambda z: self._spent((z, z), anchors, variations, anchor_rate, variation_rate,
            n).epsilon,
                                   self.epsilon, 1e-4)  # fmt: skip
            pair = (one, one if variations > 0 else 0.0)
        return pair, self._spent(pair, anchors, variations, anchor_rate, variation_rate, n)

    def _spent(
        self, z: tuple[float, float], anchors: int, variations: int, anchor_rate: float, variation_rate: float, n: int
    ) -> Any:
        kinds = [GaussianReleases(z[0], anchors, anchor_rate)]
        if variations > 0:
            kinds.append(GaussianReleases(z[1], variations, variation_rate))
        return compose(
            kinds,
            self.delta,
            adjacency=self.adjacency,
            sampling=self.sampling,
            accountant=self.accountant,
            n_records=n,
        )


class _Plan(NamedTuple):
    n: int
    d: int
    lipschitz: float
    smoothness: float
    phase: int
    step: float
    anchor_batch: int
    variation_batch: int
    anchor_noise: float
    variation_noise: float
    spent: Any
    gap: float


def _descend(
    method: PrivateSpiderBoost,
    problem: FiniteSum,
    plan: _Plan,
    w: NDArray[np.float64],
    rng: np.random.Generator,
    marks: NDArray[np.int64],
    trace: bool,
) -> Trajectory:
    """The loop."""
    releases = int(marks[-1])
    clips = method.enforce == "clip"
    sides = (2.0 if method.adjacency == "replace_one" else 1.0) * _SLACK
    chosen = int(rng.random() * releases) if method.output == "uniform" else -1
    total, result = np.zeros(plan.d), w.copy()
    before, estimate = w.copy(), np.zeros(plan.d)
    norms, values, work = [], [], []
    transcript: list[tuple[NDArray[np.float64], float, NDArray[np.float64]]] = []
    evaluations, square, c, status = 0, 0.0, 0, "finished"
    for t in range(releases):
        truth = problem.gradient_sum(w) / plan.n
        norm = float(np.linalg.norm(truth))
        if t % plan.phase == 0:
            batch = draw_batch(plan.n, plan.anchor_batch, method.sampling, rng)
            summed = problem.gradient_sum(w, clip=plan.lipschitz if clips else math.inf, batch=batch)
            noise, size = sides * plan.lipschitz * plan.anchor_noise, plan.anchor_batch
            estimate = np.zeros(plan.d)
            evaluations += plan.n if batch is None else batch.size
        else:
            batch = draw_batch(plan.n, plan.variation_batch, method.sampling, rng)
            moved = float(np.linalg.norm(w - before))
            reach = min(plan.smoothness * moved, 2.0 * plan.lipschitz)
            summed = problem.variation_sum(w, before, clip=reach if clips else math.inf, batch=batch)
            noise, size = sides * reach * plan.variation_noise, plan.variation_batch
            evaluations += 2 * (plan.n if batch is None else batch.size)
        if method.epsilon < math.inf:
            summed = summed + noise * rng.standard_normal(plan.d)
        estimate = estimate + summed / size
        if trace:
            transcript.append((summed, noise, w))
        square += norm * norm
        total += w
        if t == chosen:
            result = w.copy()
        if t + 1 == marks[c]:
            norms.append(norm)
            values.append(problem.value(w))
            work.append(float(evaluations))
            c += 1
        before, w = w, w - plan.step * estimate
        if not np.isfinite(w).all():
            raise FloatingPointError(f"the iterate is not finite after {t + 1} releases; a smaller step may help")
    if method.output == "last":
        result = w
    elif method.output == "average":
        result = total / releases
    spent = plan.spent
    metrics = {"gradient_norm": np.array(norms), "value": np.array(values), "gradient_evaluations": np.array(work)}
    followed = {}
    if trace:
        followed = {
            "releases": np.array([one for one, _, _ in transcript]),
            "noise": np.array([one for _, one, _ in transcript]),
            "iterates": np.array([one for _, _, one in transcript]),
        }
    return Trajectory(
        marks,
        metrics,
        {
            **followed,
            "iterate": result,
            "epsilon": math.inf if spent is None else spent.epsilon,
            "delta": method.delta,
            "adjacency": method.adjacency,
            "sampling": "full" if spent is None else spent.sampling,
            "accountant": "no privacy" if spent is None else spent.accountant,
            "noise_multiplier": np.array([plan.anchor_noise, plan.variation_noise]),
            "step": plan.step,
            "phase": plan.phase,
            "root_mean_square": math.sqrt(square / releases),
            "certificate": _certificate(method, plan, releases),
            "status": status,
        },
    )


def _certificate(method: PrivateSpiderBoost, plan: _Plan, releases: int) -> float:
    """The proved bound of the run's root mean square, or NaN."""
    if not plan.gap > 0.0 or plan.smoothness == 0.0 or plan.step * plan.smoothness > 1.0:
        return math.nan
    sides = (2.0 if method.adjacency == "replace_one" else 1.0) * _SLACK

    def sampling(size: int) -> float:
        if size == plan.n or method.sampling == "full":
            return 0.0
        return (1.0 - size / plan.n if method.sampling == "poisson" else (plan.n - size) / (plan.n - 1)) / size

    anchor = sampling(plan.anchor_batch) * plan.lipschitz**2
    anchor += plan.d * (sides * plan.lipschitz * plan.anchor_noise / plan.anchor_batch) ** 2
    variation = sampling(plan.variation_batch) * plan.smoothness**2
    variation += plan.d * (sides * plan.smoothness * plan.variation_noise / plan.variation_batch) ** 2
    if not spider_bound_holds(plan.step, plan.smoothness, variation, plan.phase):
        return math.nan
    return spider_bound(releases, plan.step, plan.gap, anchor)


@description
class DPGD(PrivateSpiderBoost):
    """Noisy gradient descent: every release is a whole gradient, eta = 1 / L1 when the step is omitted.

    Parameters
    ----------
    epsilon, delta, step, adjacency, enforce, accountant, output
        As for `PrivateSpiderBoost`, with full batches and a phase of 1.
    """

    phase: Literal[1] = 1

    _default_step = 1.0


@description
class DPSGD(PrivateSpiderBoost):
    """DP-SGD: every release is the clipped gradient of a batch.

    Parameters
    ----------
    epsilon, delta, step, adjacency, enforce, accountant, output
        As for `PrivateSpiderBoost`, with a phase of 1.
    anchor_batch : int >= 1
        The nominal size of a batch.
    sampling : {"poisson", "wor"}
    """

    phase: Literal[1] = 1
    sampling: Sampling = Field(default="poisson", kw_only=True)
    adjacency: Adjacency = Field(default="add_remove", kw_only=True)

    _default_step = 1.0

    @model_validator(mode="after")
    def _has_batches(self) -> DPSGD:
        if self.anchor_batch is None:
            raise ValueError("anchor_batch is missing: the nominal size of a batch")
        return self
