"""First-order methods on finite sums with the noise that a privacy budget asks for, or none.

`PrivateSpiderBoost` releases the whole gradient at anchors and only its variation in between, whose noise shrinks with
the step. Its special cases are noisy gradient descent, one anchor a step, and SpiderBoost without privacy; `DPSVRG`
takes variations against the anchor.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Algorithm 2. The paper's noise scales have an unspecified constant;
here an accountant sets the noise. The tuned schedule and the certificate are derived, as the specification states them.
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from algos.contracts import Count, Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
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
from optimization.differentially_private.noisy_steps import (
    Plan,
    certificate_of,
    descend,
    tuned_anchor_share,
    tuned_noise_ratio,
)
from optimization.differentially_private.problem import (
    FiniteSum,
    check_clipping,
    check_problem,
    check_start,
    public_smoothness,
)
from optimization.differentially_private.release import release_multipliers, release_run
from optimization.differentially_private.schedules import spider_schedule

__all__ = ["DPGD", "DPSARAH", "DPSGD", "DPSVRG", "PrivateSpiderBoost"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Output = Literal["uniform", "last", "average"]


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
        eta; 1 / (2 L1) when omitted, the regulariser's smoothness being part of L1 here.
    anchor_batch, variation_batch : int >= 1, optional
        b1 and b2, nominal sizes of batches; all records when omitted.
    sampling : {"full", "poisson", "wor"}
        How batches are drawn; "wor" (fixed size) for replaced records alone.
    adjacency : {"replace_one", "add_remove"}
        What neighbouring tables are; it is part of the result, and budgets of the two are not comparable.
    enforce : {"clip", "assume"}
        Whether every record's gradient is cut to L0, and every difference to min(L1 r, 2 L0), so that the budget holds
        whatever the constants; or the constants are trusted.
    anchor_share : float in (0, 1) or "tuned"
        Share of the budget (of mu^2) that anchors take, for full batches. "tuned" makes the certificate least.
    noise_ratio : float > 0 or "tuned"
        The anchors' noise multiplier over the variations', for sampled batches. "tuned" makes the certificate least; it
        takes seconds of accounting.
    accountant : {"auto", "gdp", "pld", "rdp", "rdp_whole_orders"}
        As for `algos.privacy.compose`.
    output : {"uniform", "last", "average"}
        Which iterate is returned: one drawn before the run, of which the theorem speaks, the last, or their mean.
    indexing : {"library", "paper"}
        "library": T releases, at w_0..w_{T-1}, and a uniform output from these. "paper": as Algorithm 2 is printed, T+1
        releases, and a uniform output from w_1..w_T.
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
    anchor_share: Annotated[Share | Literal["tuned"], Field(kw_only=True)] = 0.5
    noise_ratio: Annotated[Positive | Literal["tuned"], Field(kw_only=True)] = 1.0
    accountant: Accountant = Field(default="auto", kw_only=True)
    output: Output = Field(default="uniform", kw_only=True)
    indexing: Literal["library", "paper"] = Field(default="library", kw_only=True)
    mode: Literal["simulation", "release"] = Field(default="simulation", kw_only=True)

    against_anchor: ClassVar[bool] = False  # whether variations are from the anchor, not from the previous point
    _default_step: ClassVar[float] = 0.5

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
            if self.anchor_share == "tuned":
                raise ValueError("anchor_share = 'tuned': is for simulations; give a number")
            if self.indexing != "library":
                raise ValueError("indexing = 'paper': is for simulations")
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
        measure_all: bool = True,
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
        measure_all : bool
            Whether the true gradient is computed at every iterate, for ``root_mean_square``, or at checkpoints alone,
            which takes half of the time.
        trace : bool
            True adds ``releases``, the noisy sums, shape (T, d), ``noise``, their standard deviations, (T,), and
            ``iterates``, the points at which they were made, (T, d).

        Returns
        -------
        Trajectory
            Metrics ``gradient_norm`` (true, at the iterate at which the release was made), ``value`` and
            ``gradient_evaluations``. Outcome: ``iterate``, ``epsilon``, ``delta``, ``adjacency``, ``sampling``,
            ``accountant``, ``noise_multiplier`` (of anchors and of variations), ``step``, ``phase``,
            ``root_mean_square`` of the true gradients over all iterates (NaN unless ``measure_all``), ``certificate``,
            a proved bound of its mean square's root or NaN, and ``status``: "finished", "oracle_error" when the problem
            returned something that is not d finite numbers, "diverged" when the next iterate was not finite. Then the
            iterate is the last finite one, whatever the output, and the budget that of the whole run.
        """
        if self.mode == "release":
            return self._release(problem, horizon, rng, world, start, checkpoints, trace)
        own = check_generator(rng, type(self).__name__)
        records = realize(problem, own if world is None else world)
        releases = whole_number(horizon, "horizon", 1) + (1 if self.indexing == "paper" else 0)
        check_clipping(records, self.enforce == "clip")
        plan = self._plan(records, releases)
        w = check_start(start, plan.d)
        return descend(self, records, plan, w, own, checkpoint_rounds(releases, checkpoints), trace, measure_all)

    def certificate(self, problem: FiniteSum, horizon: int) -> float:
        """A proved bound of the root mean square of the true gradients over a run's iterates; NaN where there is none.

        Parameters
        ----------
        problem : FiniteSum
            Its constants and sizes are read, not its records.
        horizon : int >= 1
            T.
        """
        releases = whole_number(horizon, "horizon", 1) + (1 if self.indexing == "paper" else 0)
        plan = self._plan(problem, releases)
        if self.mode == "release":  # the noise of its accountant, a little more
            anchors = -(-releases // plan.phase)
            z = release_multipliers(self, anchors, releases - anchors)
            plan = plan._replace(anchor_noise=z[0] * (1.0 + 2.0**-29), variation_noise=z[1] * (1.0 + 2.0**-29))
        return certificate_of(self, plan, releases)

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
        total = smoothness + public_smoothness(problem)
        w = check_start(start, d)
        return release_run(self, problem, releases, self._phase(problem, releases), self._step(total), w)

    def _plan(self, problem: FiniteSum, releases: int) -> Plan:
        n, d, lipschitz, smoothness = check_problem(problem)
        if self.delta >= 1.0 / n:
            warnings.warn(f"delta = {self.delta:g} is not below 1 / n = {1 / n:g}", UserWarning, stacklevel=3)
        phase = self._phase(problem, releases)
        sizes = [n if size is None else size for size in (self.anchor_batch, self.variation_batch)]
        for name, size in zip(("anchor_batch", "variation_batch"), sizes, strict=True):
            if size > n:
                raise ValueError(f"{name}: {size} is above the {n} records")
        public = public_smoothness(problem)
        step, gap = self._step(smoothness + public), self._gap_of(problem)
        anchors = -(-releases // phase)
        plan = Plan(n, d, lipschitz, smoothness, public, phase, step, sizes[0], sizes[1], 0.0, 0.0, None, gap)
        if self.epsilon == math.inf:
            return plan
        z = self._multipliers(plan, anchors, releases - anchors)
        spent = self._spent(z, anchors, releases - anchors, sizes[0] / n, sizes[1] / n, n, self.accountant)
        return plan._replace(anchor_noise=z[0], variation_noise=z[1], spent=spent)

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

    def _gap_of(self, problem: FiniteSum) -> float:
        if getattr(problem, "constants_assumed", False):
            return math.nan
        try:
            return float(problem.gap)
        except ValueError:
            return math.nan

    def _multipliers(self, plan: Plan, anchors: int, variations: int) -> tuple[float, float]:
        """Noise multipliers of both kinds that keep the budget."""
        rates = plan.anchor_batch / plan.n, plan.variation_batch / plan.n
        if rates == (1.0, 1.0):
            mu = gaussian_mu(self.epsilon, self.delta)
            if variations == 0:
                return math.sqrt(anchors) / mu, 0.0
            share = self.anchor_share
            if share == "tuned":
                share = tuned_anchor_share(self, plan, variations, mu)
            return math.sqrt(anchors / share) / mu, math.sqrt(variations / (1.0 - share)) / mu

        def pair(ratio: float, accountant: Accountant, tolerance: float) -> tuple[float, float]:
            def epsilon(z: float) -> float:
                both = (ratio * z, z)
                return float(self._spent(both, anchors, variations, *rates, plan.n, accountant).epsilon)

            z = least_multiplier(epsilon, self.epsilon, tolerance)
            return ratio * z, z if variations > 0 else 0.0

        ratio = self.noise_ratio
        if ratio == "tuned":
            # Coarse, and on the safe side: the multipliers in the end are smaller, so that the bound still holds.
            searched: Accountant = self.accountant
            if self.sampling == "poisson" and self.adjacency == "add_remove":
                searched = "rdp_whole_orders"
            ratio = tuned_noise_ratio(self, plan, lambda one: pair(one, searched, 0.01)) if variations > 0 else 1.0
        return pair(ratio, self.accountant, 1e-4)

    def _spent(
        self,
        z: tuple[float, float],
        anchors: int,
        variations: int,
        anchor_rate: float,
        variation_rate: float,
        n: int,
        accountant: Accountant,
    ) -> Any:
        kinds = [GaussianReleases(z[0], anchors, anchor_rate)]
        if variations > 0:
            kinds.append(GaussianReleases(z[1], variations, variation_rate))
        return compose(
            kinds, self.delta, adjacency=self.adjacency, sampling=self.sampling, accountant=accountant, n_records=n
        )


@description
class DPSVRG(PrivateSpiderBoost):
    """DP-SVRG: gradients at anchors, and in between the clipped, noisy difference from the anchor.

    Its noise does not add up within a phase, but grows with the distance from the anchor. There is no certificate.

    Parameters
    ----------
    epsilon, delta, phase, step, adjacency, enforce, accountant, output, mode
        As for `PrivateSpiderBoost`.
    """

    against_anchor: ClassVar[bool] = True


@description
class DPSARAH(PrivateSpiderBoost):
    """DP-SARAH, which is `PrivateSpiderBoost` that returns the last iterate.

    Parameters
    ----------
    epsilon, delta, phase, step, adjacency, enforce, accountant, output, mode
        As for `PrivateSpiderBoost`.
    """

    output: Output = Field(default="last", kw_only=True)


@description
class DPGD(PrivateSpiderBoost):
    """Noisy gradient descent: every release is a whole gradient, eta = 1 / L1 when the step is omitted.

    Parameters
    ----------
    epsilon, delta, step, adjacency, enforce, accountant, output
        As for `PrivateSpiderBoost`, with full batches and a phase of 1.
    """

    phase: Literal[1] = 1

    _default_step: ClassVar[float] = 1.0


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

    _default_step: ClassVar[float] = 1.0

    @model_validator(mode="after")
    def _has_batches(self) -> DPSGD:
        if self.anchor_batch is None:
            raise ValueError("anchor_batch is missing: the nominal size of a batch")
        return self
