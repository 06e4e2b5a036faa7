"""Recursive regularisation: convex population risks, on disjoint parts of the records.

Round t minimises the sum of the loss and of ever stronger regularisers around the outputs so far, by noisy projected
gradient descent on fresh records.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Algorithm 3 with its noisy gradient descent. Corrected: rounds are
1..T (printed 1..T - 1), lambda has |w*|^2 in its denominator, and the noise is that of exact composition on n / T
records (the printed one ignores that parts are smaller). `max` in place of the printed `min` in lambda gives the same
rate in less time.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
from algos.guarantees import guarantee
from algos.privacy import Adjacency, Delta, Epsilon, gaussian_mu
from optimization.differentially_private.problem import (
    FiniteSum,
    NoNumbersError,
    check_clipping,
    check_problem,
    numbers,
    refuse_public_part,
)

__all__ = ["RecursiveRegularization", "regularized_minimizer_bound"]

_SLACK = 1.0 + 1e-12


@guarantee("arXiv:2206.00846, Lemma D.1", kind="upper", algorithm="RecursiveRegularization", evidence="paper")
def regularized_minimizer_bound(minimizer_norm: float) -> float:
    """With a convex f, f + (lam/2) |w - w0|^2 and |w0| <= |w*| has its minimiser within sqrt(2) |w*|.

    Parameters
    ----------
    minimizer_norm : float >= 0
        |w*|.
    """
    if not 0.0 <= minimizer_norm < math.inf:
        raise ValueError(f"minimizer_norm: {minimizer_norm!r} is not a finite number >= 0")
    return math.sqrt(2.0) * minimizer_norm


@description
class RecursiveRegularization:
    """Algorithm 3 with noisy gradient descent, for convex losses.

    Parameters
    ----------
    epsilon : float > 0
        inf: no noise, and no privacy.
    delta : float in (0, 1)
    radius : float > 0
        A bound of |w*|, known without the data.
    lam_rule : {"max", "min"}
        lambda = L0^2 / (L1 R^2) times the larger or (as printed) the smaller of 1/n and d / (n epsilon)^2.
    adjacency : {"replace_one", "add_remove"}
    enforce : {"clip", "assume"}
        As for `PrivateSpiderBoost`.

    Notes
    -----
    The rate is optimal and the constants are poor: records are split over the rounds. Simulation only.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> method = RecursiveRegularization(8.0, 1e-5, radius=5.0)
    >>> run = method.run(breast_cancer("logistic"), horizon=50, rng=np.random.default_rng(0))
    >>> run.outcome["records_used"] <= 569, round(run.outcome["epsilon"], 9)
    (True, 8.0)
    """

    epsilon: Epsilon
    delta: Delta
    radius: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    lam_rule: Literal["max", "min"] = Field(default="max", kw_only=True)
    adjacency: Adjacency = Field(default="replace_one", kw_only=True)
    enforce: Literal["clip", "assume"] = Field(default="clip", kw_only=True)

    def rounds(self, problem: FiniteSum) -> tuple[int, float]:
        """T = floor(log2(L1 / lambda)), at least 1 and at most the records, and lambda.

        Parameters
        ----------
        problem : FiniteSum
        """
        n, d, lipschitz, smoothness = check_problem(problem)
        if smoothness == 0.0:
            raise ValueError("problem: smoothness = 0 leaves the first regulariser undefined")
        share = d / (n * self.epsilon) ** 2 if self.epsilon < math.inf else 0.0
        pick = max(1.0 / n, share) if self.lam_rule == "max" or share == 0.0 else min(1.0 / n, share)
        lam = lipschitz**2 / (smoothness * self.radius**2) * pick
        return max(1, min(n, math.floor(math.log2(max(smoothness / lam, 2.0))))), lam

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
    ) -> Trajectory:
        """Play all rounds with K steps each.

        Parameters
        ----------
        problem : FiniteSum
            Convex.
        horizon : int >= 1
            K, steps of a round.
        rng, world
            As for `PrivateSpiderBoost`; the records' order is drawn first.
        checkpoints : array of int in 1..T, optional
            Rounds at which metrics are recorded.
        trace : bool
            True adds ``outputs``, the rounds' outputs, shape (T, d), and ``longest``, the longest iterate of each.

        Returns
        -------
        Trajectory
            Metrics by round: ``gradient_norm``, the true one at the round's output, and ``gradient_evaluations``.
            Outcome: ``iterate``, ``epsilon``, ``delta``, ``adjacency``, ``noise_multiplier`` (of a step), ``rounds``,
            ``records_used``, ``lam``, ``status`` ("finished" or "oracle_error").
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        n, d, _, _ = check_problem(records)
        check_clipping(records, self.enforce == "clip")
        refuse_public_part(records, type(self).__name__)
        steps = whole_number(horizon, "horizon", 1)
        rounds, lam = self.rounds(records)
        part = n // rounds
        order = own.permutation(n)
        multiplier = 0.0 if self.epsilon == math.inf else math.sqrt(steps) / gaussian_mu(self.epsilon, self.delta)
        marks = checkpoint_rounds(rounds, checkpoints, spacing="linear")
        outputs, longest, norms, work, status = [], [], [], [], "finished"
        # sum_i lam_i |w - w_i|^2 / 2 has the gradient weight w - pull.
        weight, pull, c = lam, np.zeros(d), 0
        for t in range(1, rounds + 1):
            batch = np.sort(order[(t - 1) * part : t * part])
            reach = 2.0 ** (t / 2) * self.radius
            try:
                w, furthest = self._solve(records, batch, weight, pull, lam * 2.0**t, reach, steps, multiplier, own)
            except NoNumbersError:
                status = "oracle_error"
                break
            outputs.append(w)
            longest.append(furthest)
            weight, pull = weight + lam * 2.0**t, pull + lam * 2.0**t * w
            if t == marks[c]:
                norms.append(float(np.linalg.norm(records.gradient_sum(w) / n)))
                work.append(float(t * steps * part))
                c += 1
        followed = {"outputs": np.array(outputs), "longest": np.array(longest)} if trace else {}
        return Trajectory(
            marks[:c],
            {"gradient_norm": np.array(norms), "gradient_evaluations": np.array(work)},
            {
                **followed,
                "iterate": outputs[-1] if outputs else np.zeros(d),
                "epsilon": self.epsilon,
                "delta": self.delta,
                "adjacency": self.adjacency,
                "noise_multiplier": multiplier,
                "rounds": rounds,
                "records_used": rounds * part,
                "lam": lam,
                "status": status,
            },
        )

    def _solve(
        self,
        problem: Any,
        batch: NDArray[np.int64],
        weight: float,
        pull: NDArray[np.float64],
        lam: float,
        reach: float,
        steps: int,
        multiplier: float,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float64], float]:
        """Noisy projected gradient descent; the average with weights that grow like (1 - eta lam)^-k."""
        clip = problem.lipschitz if self.enforce == "clip" else math.inf
        noise = (2.0 if self.adjacency == "replace_one" else 1.0) * _SLACK * problem.lipschitz * multiplier
        step = min(math.log(max(steps, 2)) / (lam * steps), 1.0 / (problem.smoothness + weight))
        w = np.zeros(pull.size)
        total, mass, furthest = np.zeros(pull.size), 0.0, 0.0
        for _ in range(steps):
            total, mass = (1.0 - step * lam) * total + w, (1.0 - step * lam) * mass + 1.0
            summed = numbers(problem.gradient_sum(w, clip=clip, batch=batch), w.size)
            if multiplier > 0.0:
                summed = summed + noise * rng.standard_normal(w.size)
            w = w - step * (summed / batch.size + weight * w - pull)
            norm = float(np.linalg.norm(w))
            if norm > reach:
                w = w * (reach / norm)
            furthest = max(furthest, min(norm, reach))
        return total / mass, furthest
