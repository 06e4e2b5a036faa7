"""The loop of noisy descent, with the plan of a run and what is proved of it.

A release is the clipped sum of a batch's gradients, at anchors, or of their differences to another point, between them.
Against the previous point the differences add up (SpiderBoost, SARAH); against the anchor each is the whole estimate
(SVRG). A regulariser that no record touches is added to the direction, without noise.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Algorithm 2; the certificate is derived, as the project's
specification states it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Trajectory
from optimization.differentially_private.certificates import spider_bound, spider_bound_holds
from optimization.differentially_private.problem import (
    FiniteSum,
    draw_batch,
    public_gradient,
    sound,
    true_gradient,
)

__all__ = ["Plan", "certificate_of", "descend", "sides_of", "tuned_anchor_share", "tuned_noise_ratio"]

_SLACK = 1.0 + 1e-12  # of clipped norms, which rounding may exceed
_RATIOS = (1.0 / 64.0, 64.0)


class Plan(NamedTuple):
    """A run's numbers."""

    n: int
    d: int
    lipschitz: float
    smoothness: float  # of a record's loss
    public: float  # of the regulariser
    phase: int
    step: float
    anchor_batch: int
    variation_batch: int
    anchor_noise: float  # multipliers
    variation_noise: float
    spent: Any
    gap: float


def sides_of(method: Any) -> float:
    """How far a record moves a sum of vectors of norm at most 1."""
    return (2.0 if method.adjacency == "replace_one" else 1.0) * _SLACK


def descend(
    method: Any,
    problem: FiniteSum,
    plan: Plan,
    w: NDArray[np.float64],
    rng: np.random.Generator,
    marks: NDArray[np.int64],
    trace: bool,
    measure_all: bool = True,
) -> Trajectory:
    """Take the steps; see `PrivateSpiderBoost.run`.

    Parameters
    ----------
    method : PrivateSpiderBoost
    problem : FiniteSum
    plan : Plan
    w : float, shape (d,)
    rng : numpy.random.Generator
    marks : int64, shape (C,)
        Checkpoints, the last of which is the number of releases.
    trace, measure_all : bool
    """
    releases = int(marks[-1])
    clips = method.enforce == "clip"
    sides = sides_of(method)
    first = 1 if method.indexing == "paper" else 0
    chosen = first + int(rng.random() * (releases - first)) if method.output == "uniform" else -1
    total, result = np.zeros(plan.d), w.copy()
    before, anchor, estimate = w.copy(), np.zeros(plan.d), np.zeros(plan.d)
    norms, values, work = [], [], []
    transcript: list[tuple[NDArray[np.float64], float, NDArray[np.float64]]] = []
    evaluations, square, c, t, status = 0, 0.0, 0, 0, "finished"
    for t in range(releases):
        at_mark = t + 1 == marks[c]
        norm = float(np.linalg.norm(true_gradient(problem, w))) if measure_all or at_mark else 0.0
        at_anchor = t % plan.phase == 0
        size = plan.anchor_batch if at_anchor else plan.variation_batch
        batch = draw_batch(plan.n, size, method.sampling, rng)
        drawn = plan.n if batch is None else batch.size
        if at_anchor:
            summed = problem.gradient_sum(w, clip=plan.lipschitz if clips else math.inf, batch=batch)
            noise = sides * plan.lipschitz * plan.anchor_noise
            evaluations += drawn
        else:
            reach = min(plan.smoothness * float(np.linalg.norm(w - before)), 2.0 * plan.lipschitz)
            summed = problem.variation_sum(w, before, clip=reach if clips else math.inf, batch=batch)
            noise = sides * reach * plan.variation_noise
            evaluations += 2 * drawn
        if not sound(summed, plan.d) or not math.isfinite(norm):
            status = "oracle_error"
            break
        if method.epsilon < math.inf:
            summed = summed + noise * rng.standard_normal(plan.d)
        if at_anchor:
            estimate = summed / size
            anchor = estimate
        elif method.against_anchor:
            estimate = anchor + summed / size
        else:
            estimate = estimate + summed / size
        if trace:
            transcript.append((summed, noise, w))
        square += norm * norm
        total += w
        if t == chosen:
            result = w.copy()
        if at_mark:
            norms.append(norm)
            values.append(problem.value(w))
            work.append(float(evaluations))
            c += 1
        with np.errstate(over="ignore", invalid="ignore"):  # a status says it
            moved = w - plan.step * (estimate + public_gradient(problem, w))
        if not np.isfinite(moved).all():
            status = "diverged"
            break
        if at_anchor or not method.against_anchor:
            before = w
        w = moved
    done = t + 1 if status == "finished" else t
    if method.output == "last" or status != "finished":
        result = w
    elif method.output == "average":
        result = total / releases
    spent = plan.spent
    followed = {}
    if trace:
        followed = {
            "releases": np.array([one for one, _, _ in transcript]),
            "noise": np.array([one for _, one, _ in transcript]),
            "iterates": np.array([one for _, _, one in transcript]),
        }
    return Trajectory(
        marks[:c],
        {"gradient_norm": np.array(norms), "value": np.array(values), "gradient_evaluations": np.array(work)},
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
            "root_mean_square": math.sqrt(square / done) if measure_all and done else math.nan,
            "certificate": certificate_of(method, plan, releases) if status == "finished" else math.nan,
            "status": status,
        },
    )


def certificate_of(method: Any, plan: Plan, releases: int) -> float:
    """The proved bound of a run's root mean square, or NaN.

    Parameters
    ----------
    method : PrivateSpiderBoost
    plan : Plan
    releases : int >= 1
    """
    curvature = plan.smoothness + plan.public
    if method.against_anchor and plan.phase > 2:  # shorter phases have no variation that SVRG takes otherwise
        return math.nan
    if not plan.gap > 0.0 or curvature == 0.0 or plan.step * curvature > 1.0:
        return math.nan
    sides = sides_of(method)

    def sampling(size: int) -> float:
        if size == plan.n or method.sampling == "full":
            return 0.0
        return (1.0 - size / plan.n if method.sampling == "poisson" else (plan.n - size) / (plan.n - 1)) / size

    anchor = sampling(plan.anchor_batch) * plan.lipschitz**2
    anchor += plan.d * (sides * plan.lipschitz * plan.anchor_noise / plan.anchor_batch) ** 2
    if not spider_bound_holds(plan.step, curvature, _variation_error(method, plan, sampling), plan.phase):
        return math.nan
    return spider_bound(releases, plan.step, plan.gap, anchor)


def _variation_error(method: Any, plan: Plan, sampling: Callable[[int], float]) -> float:
    noise = sides_of(method) * plan.smoothness * plan.variation_noise / plan.variation_batch
    return sampling(plan.variation_batch) * plan.smoothness**2 + plan.d * noise**2


def tuned_anchor_share(method: Any, plan: Plan, variations: int, mu: float) -> float:
    """The largest share of the budget for anchors with which the bound is proved, full batches; 1/2 where none is.

    Anchors' noise is the bound's second term, and the variations' only has to be small enough.

    Parameters
    ----------
    method : PrivateSpiderBoost
    plan : Plan
        Its noise is not looked at.
    variations : int >= 1
    mu : float > 0
        The whole budget.
    """
    room = 1.0 - plan.step * (plan.smoothness + plan.public)
    if room <= 0.0 or plan.smoothness == 0.0:
        return 0.5
    unit = plan.d * (sides_of(method) * plan.smoothness / plan.n) ** 2 * variations / mu**2
    share = 1.0 - plan.step**2 * unit * (plan.phase - 1) / room * (1.0 + 1e-9)
    return share if share > 0.0 else 0.5


def tuned_noise_ratio(method: Any, plan: Plan, multipliers: Callable[[float], tuple[float, float]]) -> float:
    """The least ratio of the anchors' multiplier to the variations' with which the bound is proved; 1 where none is.

    Parameters
    ----------
    method : PrivateSpiderBoost
    plan : Plan
    multipliers : callable
        Of a ratio: both multipliers that keep the budget. Called ten times.
    """

    def proved(exponent: float) -> bool:
        z = multipliers(math.exp(exponent))
        return not math.isnan(certificate_of(method, plan._replace(anchor_noise=z[0], variation_noise=z[1]), 1))

    low, high = (math.log(ratio) for ratio in _RATIOS)
    if not proved(high):
        return 1.0
    if proved(low):
        return _RATIOS[0]
    for _ in range(8):  # to 3 %
        middle = 0.5 * (low + high)
        low, high = (low, middle) if proved(middle) else (middle, high)
    return math.exp(high)
