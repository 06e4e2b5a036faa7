"""Tree-based private Spider: stationary points of the population risk from one pass over the records.

A round grows a binary tree in preorder. A left child is its parent; a right child is the newest iterate, whose
gradient is its parent's estimate plus a noisy variation on fresh records. Every leaf takes a step of fixed length,
which bounds how far a child can be from its parent. Each record is used once, so that the budget of one release is
that of the run.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Algorithm 1 and Theorem 3.2. Whole numbers for its sizes and the
analytic noise are derived; a round has 2^D leaves (the printed proof writes 2^{D-1}).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.contracts import Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
from algos.guarantees import guarantee
from algos.privacy import Adjacency, Delta, Epsilon, check_delta, check_epsilon, gaussian_mu
from optimization.differentially_private.problem import (
    FiniteSum,
    NoNumbersError,
    check_clipping,
    check_problem,
    check_start,
    numbers,
    refuse_public_part,
)

__all__ = ["TreeSchedule", "TreeSpider", "tree_accuracy", "tree_bound", "tree_schedule"]

_SLACK = 1.0 + 1e-12
_LARGEST_DEPTH = 40


class TreeSchedule(NamedTuple):
    """Sizes of a run over n records.

    Parameters
    ----------
    batch : int
        b, records of a root; those of a right child at depth k are b / 2^k. A multiple of 2^D.
    depth : int
        D; a round has 2^D leaves and takes b (1 + D / 2) records.
    rounds : int
        T, as many as the records last for.
    alpha, beta : float
        The accuracy aimed at, and the reach of the steps, each beta / (2^{D/2} L1) long.
    """

    batch: int
    depth: int
    rounds: int
    alpha: float
    beta: float

    @property
    def records_per_round(self) -> int:
        """B (1 + D / 2)."""
        return self.batch + self.depth * self.batch // 2


def tree_schedule(n_records: int, dimension: int, epsilon: float, lipschitz: float) -> TreeSchedule:
    """The sizes of Theorem 3.2, in whole numbers.

    Parameters
    ----------
    n_records, dimension : int >= 1
    epsilon : float > 0
    lipschitz : float > 0
        L0.

    Raises
    ------
    ValueError
        When the records do not last for one round.

    Examples
    --------
    >>> schedule = tree_schedule(100_000, 10, 1.0, 1.0)
    >>> schedule.batch, schedule.depth, schedule.rounds, round(schedule.alpha, 7)
    (2176, 7, 10, 0.0304683)
    """
    n, d = whole_number(n_records, "n_records", 1), whole_number(dimension, "dimension", 1)
    budget = check_epsilon(epsilon)
    if not 0.0 < lipschitz < math.inf:
        raise ValueError(f"lipschitz: {lipschitz!r} is not a finite number > 0")
    wanted = max(n ** (2.0 / 3.0), math.sqrt(n) * d**0.25 / math.sqrt(budget))
    depth = 0
    while depth < _LARGEST_DEPTH and (depth + 1) * 2 ** (depth + 2) <= wanted:
        depth += 1
    batch = 2**depth * math.ceil(wanted / 2**depth - 1e-9)
    rounds = 2 * n // (batch * (2 + depth))
    if rounds == 0:
        raise ValueError(f"n_records: {n} do not last for one round, which takes {batch * (2 + depth) // 2}")
    alpha = math.sqrt(2.0) * lipschitz * max(n ** (-1.0 / 3.0), math.sqrt(math.sqrt(d) / (n * budget)))
    beta = alpha * min(1.0, math.sqrt(wanted) * budget / math.sqrt(d))
    return TreeSchedule(batch, depth, rounds, alpha, beta)


def tree_accuracy(
    schedule: TreeSchedule, delta: float, lipschitz: float, smoothness: float, gap: float, failure: float = 0.05
) -> float:
    """alpha_t = C alpha, the estimate's norm (halved) at which Algorithm 1 stops.

    C = 256 ln(1.25 / delta) ln(2 T 2^{D+1} / p) + 8 L1 F0 sqrt(2 D) (D/2 + 1) / (2 L0^2). It is so large that the
    printed algorithm stops at its start below about n = 5e16: see ``constants`` of `TreeSpider`.

    Parameters
    ----------
    schedule : TreeSchedule
    delta, lipschitz, smoothness, gap
        delta, L0, L1 and F0.
    failure : float in (0, 1)
        p.
    """
    leaves = 2.0 * schedule.rounds * 2.0 ** (schedule.depth + 1)
    noise = 256.0 * math.log(1.25 / check_delta(delta)) * math.log(leaves / check_delta(failure))
    drift = 8.0 * smoothness * gap * math.sqrt(2.0 * schedule.depth) * (schedule.depth / 2 + 1) / (2.0 * lipschitz**2)
    return (noise + drift) * schedule.alpha


@guarantee("arXiv:2206.00846, Theorem 3.2", kind="upper", algorithm="TreeSpider", evidence="paper")
def tree_bound(accuracy: float) -> float:
    """The population gradient is at most 3 alpha_t with probability 1 - p, alpha_t that of `tree_accuracy`.

    True of every point while 3 alpha_t >= L0, which it is for all n that anybody has: with L0 = L1 = F0 = epsilon = 1,
    delta = 1e-6 and d = 10 up to about 1e16.

    Parameters
    ----------
    accuracy : float > 0
        alpha_t.
    """
    if not 0.0 < accuracy < math.inf:
        raise ValueError(f"accuracy: {accuracy!r} is not a finite number > 0")
    return 3.0 * accuracy


@description
class TreeSpider:
    """Algorithm 1: one pass, fresh records for every release, steps of fixed length.

    Parameters
    ----------
    epsilon : float > 0
        inf: no noise, and no privacy.
    delta : float in (0, 1)
    constants : {"practical", "paper"}
        The analytic noise, a reach of ``beta_scale`` times the paper's, and no early stop; or the paper's noise, reach
        and stop, which for all practical n returns the start.
    beta_scale : float > 0
        Of the practical reach.
    accuracy : float >= 0, optional
        Stops at a leaf whose estimate's norm is at most twice that; 0 never stops.
    adjacency : {"replace_one", "add_remove"}
    enforce : {"clip", "assume"}
        As for `PrivateSpiderBoost`.

    Notes
    -----
    In our experiments tuned one-pass DP-SGD is better at n = 1e5. Simulation only.

    Examples
    --------
    >>> from simulators.erm import robust_regression
    >>> problem = robust_regression(20_000, 5, np.random.default_rng(0))
    >>> run = TreeSpider(1.0, 1e-6).run(problem, 5, np.random.default_rng(1))
    >>> run.outcome["records_used"], run.outcome["leaves"]
    (13440, 160)
    """

    epsilon: Epsilon
    delta: Delta
    constants: Literal["practical", "paper"] = Field(default="practical", kw_only=True)
    beta_scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False, kw_only=True)] = 3.0
    accuracy: Annotated[float | None, Field(ge=0.0, allow_inf_nan=False, kw_only=True)] = None
    adjacency: Adjacency = Field(default="replace_one", kw_only=True)
    enforce: Literal["clip", "assume"] = Field(default="clip", kw_only=True)

    @model_validator(mode="after")
    def _proved(self) -> TreeSpider:
        if self.constants == "paper" and 1.0 < self.epsilon < math.inf:
            raise ValueError(f"epsilon = {self.epsilon:g}: the paper's noise is private for epsilon <= 1 alone")
        return self

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        start: ArrayLike | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
    ) -> Trajectory:
        """Play T rounds.

        Parameters
        ----------
        problem : FiniteSum
        horizon : int >= 1
            T, rounds; at most those of `tree_schedule`.
        rng, world, start, checkpoints
            As for `PrivateSpiderBoost`; the records' order is drawn first.
        trace : bool
            True adds ``leaves_at``, the iterates at the leaves, shape (T 2^D, d), and ``order``, the records in the
            order of their use.

        Returns
        -------
        Trajectory
            Metrics by round: ``gradient_norm``, the true one at the round's root, and ``gradient_evaluations``.
            Outcome: ``iterate``, ``epsilon``, ``delta``, ``adjacency``, ``noise_multiplier``, ``records_used``,
            ``leaves``, ``batch``, ``depth``, ``step_length``, and ``status``: "finished", "stationary" where it ended
            early, or "oracle_error".
        """
        own = check_generator(rng, type(self).__name__)
        records = realize(problem, own if world is None else world)
        n, d, lipschitz, smoothness = check_problem(records)
        check_clipping(records, self.enforce == "clip")
        refuse_public_part(records, type(self).__name__)
        if smoothness == 0.0:
            raise ValueError("problem: smoothness = 0 leaves the length of a step undefined")
        schedule = tree_schedule(n, d, min(self.epsilon, 1e6), lipschitz)
        rounds = whole_number(horizon, "horizon", 1)
        if rounds > schedule.rounds:
            raise ValueError(f"horizon: {rounds} is above the {schedule.rounds} rounds that {n} records last for")
        w = check_start(start, d)
        marks = checkpoint_rounds(rounds, checkpoints)
        return _Pass(self, records, schedule, own).play(w, marks, trace)


class _Pass:
    """The state of a run."""

    def __init__(self, method: TreeSpider, problem: Any, schedule: TreeSchedule, rng: np.random.Generator) -> None:
        self._method, self._problem, self._schedule, self._rng = method, problem, schedule, rng
        self._order = rng.permutation(problem.n_records)
        self._used = self._evaluations = 0
        scale = 1.0 if method.constants == "paper" else method.beta_scale
        self._beta = scale * schedule.beta
        self._length = self._beta / (2.0 ** (schedule.depth / 2) * problem.smoothness)
        if method.epsilon == math.inf:
            multiplier = 0.0
        elif method.constants == "paper":
            multiplier = math.sqrt(2.0 * math.log(1.25 / method.delta)) / method.epsilon
        else:
            multiplier = 1.0 / gaussian_mu(method.epsilon, method.delta)
        self._multiplier = multiplier
        self._sides = (2.0 if method.adjacency == "replace_one" else 1.0) * _SLACK
        if method.accuracy is not None:
            self._accuracy = method.accuracy
        elif method.constants == "paper":
            self._accuracy = tree_accuracy(
                schedule, method.delta, problem.lipschitz, problem.smoothness, float(problem.gap)
            )
        else:
            self._accuracy = 0.0
        self._next = np.empty(0)
        self._leaves: list[NDArray[np.float64]] = []
        self._stopped: NDArray[np.float64] | None = None
        self._status = "finished"

    def play(self, w: NDArray[np.float64], marks: NDArray[np.int64], trace: bool) -> Trajectory:
        """All rounds."""
        rounds, schedule, problem = int(marks[-1]), self._schedule, self._problem
        chosen = int(self._rng.random() * rounds * 2**schedule.depth)
        norms, work, c = [], [], 0
        for t in range(rounds):
            if self._stopped is None:
                norm = float(np.linalg.norm(problem.gradient_sum(w) / problem.n_records))
                self._next = w
                try:
                    self._round(w)
                except NoNumbersError:
                    self._stopped = self._leaves[-1] if self._leaves else w
                    self._status = "oracle_error"
                    break
                w = self._next
            if t + 1 == marks[c]:
                norms.append(norm)
                work.append(float(self._evaluations))
                c += 1
        result = self._stopped if self._stopped is not None else self._leaves[chosen]
        method = self._method
        followed = {"leaves_at": np.array(self._leaves), "order": self._order[: self._used]} if trace else {}
        return Trajectory(
            marks[:c],
            {"gradient_norm": np.array(norms), "gradient_evaluations": np.array(work)},
            {
                **followed,
                "iterate": result,
                "epsilon": method.epsilon,
                "delta": method.delta,
                "adjacency": method.adjacency,
                "noise_multiplier": self._multiplier,
                "records_used": self._used,
                "leaves": len(self._leaves),
                "batch": schedule.batch,
                "depth": schedule.depth,
                "step_length": self._length,
                "status": self._status,
            },
        )

    def _round(self, w: NDArray[np.float64]) -> None:
        """A root and the tree below it."""
        root = self._release(self._problem.gradient_sum, (w,), self._problem.lipschitz, self._schedule.batch)
        if self._schedule.depth == 0:
            self._leaf(w, root)
        else:
            self._grow(1, w, root)

    def _release(self, ask: Any, at: tuple[NDArray[np.float64], ...], reach: float, size: int) -> NDArray[np.float64]:
        """The noisy mean of a query on fresh records, each of which moves the sum by at most the reach (or twice)."""
        batch = np.sort(self._order[self._used : self._used + size])
        self._used += size
        self._evaluations += size * len(at)
        clip = reach if self._method.enforce == "clip" else math.inf
        total = numbers(ask(*at, clip=clip, batch=batch), at[0].size)
        if self._multiplier > 0.0:
            total = total + self._sides * reach * self._multiplier * self._rng.standard_normal(total.size)
        return np.asarray(total / size)

    def _grow(self, depth: int, parent: NDArray[np.float64], estimate: NDArray[np.float64]) -> None:
        """Both children of a node, and what is below them."""
        schedule = self._schedule
        for right in (False, True):
            point, found = parent, estimate
            if self._stopped is not None:
                return
            if right:
                point = self._next
                reach = self._beta * 2.0 ** (schedule.depth - depth) / 2.0 ** (schedule.depth / 2)
                reach = min(reach, 2.0 * self._problem.lipschitz)
                size = schedule.batch >> depth
                found = estimate + self._release(self._problem.variation_sum, (point, parent), reach, size)
            if depth == schedule.depth:
                self._leaf(point, found)
            else:
                self._grow(depth + 1, point, found)

    def _leaf(self, point: NDArray[np.float64], estimate: NDArray[np.float64]) -> None:
        """A step of fixed length, or the end where the estimate is small."""
        self._leaves.append(point)
        norm = float(np.linalg.norm(estimate))
        if norm <= 2.0 * self._accuracy or norm == 0.0:
            self._stopped, self._status = point, "stationary"
        else:
            self._next = point - self._length / norm * estimate
