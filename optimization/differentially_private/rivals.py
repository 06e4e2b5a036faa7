"""Other private methods: perturbed minimisers, Frank-Wolfe over an l1 ball, and follow-the-regularised-leader.

Sources: K. Chaudhuri, C. Monteleoni, A. Sarwate, JMLR 2011, and D. Kifer, A. Smith, A. Thakurta, COLT 2012 (perturbed
outputs and objectives); K. Talwar, A. Thakurta, L. Zhang, NeurIPS 2015 (Frank-Wolfe); P. Kairouz et al., ICML 2021,
and S. Denisov et al., NeurIPS 2022 (trees, and the square root of the prefix sums). As the project's specification
states them.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
from algos.privacy import Adjacency, Delta, Epsilon, gaussian_mu
from optimization.differentially_private.problem import (
    FiniteSum,
    check_clipping,
    check_problem,
    refuse_public_part,
    sound,
)
from optimization.differentially_private.release import rho_for

__all__ = [
    "DPFTRL",
    "DPFrankWolfe",
    "ObjectivePerturbation",
    "OutputPerturbation",
    "prefix_sum_noise",
    "square_root_coefficients",
]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_SLACK = 1.0 + 1e-12


def _sides(adjacency: Adjacency) -> float:
    return (2.0 if adjacency == "replace_one" else 1.0) * _SLACK


def _convex(problem: Any, name: str) -> None:
    if not getattr(problem, "convex", False):
        raise ValueError(f"problem: {name} needs convex losses, and a problem that says so by `convex`")


def _minimize(
    problem: Any, quadratic: float, linear: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.float64], int]:
    """The minimiser of the mean loss + quadratic/2 |w|^2 + <linear, w>, to a gradient of at most the tolerance."""
    from scipy.optimize import minimize

    n, evaluations = problem.n_records, 0

    def objective(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal evaluations
        evaluations += n
        value = problem.value(w) + 0.5 * quadratic * float(w @ w) + float(linear @ w)
        return value, problem.gradient_sum(w) / n + quadratic * w + linear

    w = np.zeros(problem.dimension)
    found = minimize(
        objective, w, jac=True, method="L-BFGS-B", options={"maxiter": 10_000, "gtol": tolerance / 10, "ftol": 0}
    )
    w = np.asarray(found.x)
    step = 1.0 / (problem.smoothness + quadratic)
    for _ in range(100_000):  # what rounding in the values keeps L-BFGS from
        gradient = objective(w)[1]
        if float(np.linalg.norm(gradient)) <= tolerance:
            return w, evaluations
        w = w - step * gradient
    raise FloatingPointError(f"the minimiser was not found to a gradient of {tolerance:g}")


def _one_shot(problem: Any, w: NDArray[np.float64], evaluations: int, outcome: dict[str, Any]) -> Trajectory:
    norm = float(np.linalg.norm(problem.gradient_sum(w) / problem.n_records))
    metrics = {"gradient_norm": np.array([norm]), "gradient_evaluations": np.array([float(evaluations)])}
    return Trajectory(np.array([1]), metrics, {"iterate": w, "status": "finished", **outcome})


@description
class OutputPerturbation:
    """The exact minimiser of the regularised mean loss plus Gaussian noise, for convex losses.

    Parameters
    ----------
    epsilon : float > 0
        inf: no noise, and no privacy.
    delta : float in (0, 1)
    regularization : float > 0
        lam, of (lam / 2) |w|^2. The minimiser moves by 2 L0 / (n lam) when a record is replaced.
    tolerance : float > 0
        Of the minimiser's gradient; 2 tolerance / lam is added to the sensitivity.
    adjacency : {"replace_one", "add_remove"}
    """

    epsilon: Epsilon
    delta: Delta
    regularization: Positive
    tolerance: Annotated[Positive, Field(kw_only=True)] = 1e-9
    adjacency: Adjacency = Field(default="replace_one", kw_only=True)

    def run(
        self, problem: FiniteSum, horizon: int, rng: np.random.Generator, *, world: np.random.Generator | None = None
    ) -> Trajectory:
        """Minimise and release once.

        Parameters
        ----------
        problem : FiniteSum
            Convex, as its ``convex`` says.
        horizon : int >= 1
            Of no consequence: there is one release.
        rng, world
            As for `PrivateSpiderBoost`.
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        n, d, lipschitz, _ = check_problem(records)
        whole_number(horizon, "horizon", 1)
        check_clipping(records, False)
        refuse_public_part(records, type(self).__name__)
        _convex(records, "output perturbation")
        w, work = _minimize(records, self.regularization, np.zeros(d), self.tolerance)
        sensitivity = _sides(self.adjacency) * lipschitz / (n * self.regularization)
        sensitivity += 2.0 * self.tolerance / self.regularization
        multiplier = 0.0 if self.epsilon == math.inf else 1.0 / gaussian_mu(self.epsilon, self.delta)
        w = w + sensitivity * multiplier * own.standard_normal(d)
        outcome = {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "adjacency": self.adjacency,
            "noise_multiplier": multiplier,
            "sensitivity": sensitivity,
        }
        return _one_shot(records, w, work, outcome)


@description
class ObjectivePerturbation:
    """The exact minimiser of a loss with a random linear term, for convex linear models.

    sum_i l_i(w) + (D / 2) |w|^2 + <b, w> with D = 2 L1 / epsilon and b normal of variance zeta^2 (8 ln(2 / delta) + 4
    epsilon) / epsilon^2, zeta = L0, or 2 L0 when records are replaced.

    Parameters
    ----------
    epsilon : float > 0
        Finite: there is no such method without noise.
    delta : float in (0, 1)
    tolerance : float > 0
        The guarantee is of the exact minimiser; the gradient left is reported.
    adjacency : {"replace_one", "add_remove"}
    """

    epsilon: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    delta: Delta
    tolerance: Annotated[Positive, Field(kw_only=True)] = 1e-9
    adjacency: Adjacency = Field(default="replace_one", kw_only=True)

    def run(
        self, problem: FiniteSum, horizon: int, rng: np.random.Generator, *, world: np.random.Generator | None = None
    ) -> Trajectory:
        """Minimise the perturbed objective.

        Parameters
        ----------
        problem, horizon, rng, world
            As for `OutputPerturbation`; records' Hessians must have rank one, as those of linear models have.
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        n, d, lipschitz, smoothness = check_problem(records)
        whole_number(horizon, "horizon", 1)
        check_clipping(records, False)
        refuse_public_part(records, type(self).__name__)
        _convex(records, "objective perturbation")
        zeta = _sides(self.adjacency) * lipschitz
        spread = zeta * math.sqrt(8.0 * math.log(2.0 / self.delta) + 4.0 * self.epsilon) / self.epsilon
        b = spread * own.standard_normal(d)
        w, work = _minimize(records, 2.0 * smoothness / self.epsilon / n, b / n, self.tolerance)
        outcome = {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "adjacency": self.adjacency,
            "noise_multiplier": spread / zeta,
            "gradient_left": self.tolerance,
        }
        return _one_shot(records, w, work, outcome)


@description
class DPFrankWolfe:
    """Private Frank-Wolfe over the l1 ball: noise on the scores of 2 d corners, and not on a gradient of d numbers.

    Choices are epsilon_0-private, hence (epsilon_0^2 / 2)-zCDP, and compose to the budget, with somewhat less noise
    than by the advanced composition of Talwar et al., whose scale has sqrt(8 T ln(1 / delta)).

    Parameters
    ----------
    epsilon : float > 0
        inf: no noise, and no privacy.
    delta : float in (0, 1)
    radius : float > 0
        Of the ball.
    adjacency : {"replace_one"}
    """

    epsilon: Epsilon
    delta: Delta
    radius: Positive
    adjacency: Literal["replace_one"] = Field(default="replace_one", kw_only=True)

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
    ) -> Trajectory:
        """Take T steps w <- (1 - mu_t) w + mu_t s, mu_t = 2 / (t + 2) for t = 0, 1, ...

        Parameters
        ----------
        problem, horizon, rng, world, checkpoints
            As for `PrivateSpiderBoost`.
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        n, d, lipschitz, _ = check_problem(records)
        refuse_public_part(records, type(self).__name__)
        steps = whole_number(horizon, "horizon", 1)
        scale = 0.0
        if self.epsilon < math.inf:
            # A score <s, gradient> moves by at most 2 L0 radius / n; its noisy argmin costs twice that over the scale.
            moves = 2.0 * lipschitz * _SLACK * self.radius / n
            scale = 2.0 * moves / math.sqrt(2.0 * rho_for(self.epsilon, self.delta) / steps)
        marks = checkpoint_rounds(steps, checkpoints)
        w, norms, gaps, c, status = np.zeros(d), [], [], 0, "finished"
        for t in range(steps):
            summed = records.gradient_sum(w, clip=lipschitz)
            if not sound(summed, d):
                status = "oracle_error"
                break
            gradient = summed / n
            if t + 1 == marks[c]:
                norms.append(float(np.linalg.norm(gradient)))
                gaps.append(float(gradient @ w + self.radius * np.abs(gradient).max()))
                c += 1
            scores = self.radius * np.concatenate([gradient, -gradient])
            if scale > 0.0:
                scores = scores + scale * own.laplace(0.0, 1.0, 2 * d)
            best = int(np.argmin(scores))
            corner = np.zeros(d)
            corner[best % d] = self.radius if best < d else -self.radius
            share = 2.0 / (t + 2.0)
            w = (1.0 - share) * w + share * corner
        metrics = {
            "gradient_norm": np.array(norms),
            "frank_wolfe_gap": np.array(gaps),
            "gradient_evaluations": n * marks[:c].astype(float),
        }
        return Trajectory(
            marks[:c],
            metrics,
            {
                "iterate": w,
                "epsilon": self.epsilon,
                "delta": self.delta,
                "adjacency": self.adjacency,
                "noise_multiplier": scale,
                "status": status,
            },
        )


def square_root_coefficients(length: int) -> NDArray[np.float64]:
    """c_0 = 1, c_k = c_{k-1} (2 k - 1) / (2 k): the Toeplitz square root of the lower triangular matrix of ones.

    Parameters
    ----------
    length : int >= 1

    Examples
    --------
    >>> square_root_coefficients(4).tolist()
    [1.0, 0.5, 0.375, 0.3125]
    """
    k = np.arange(1.0, whole_number(length, "length", 1))
    return np.cumprod(np.append(1.0, (2.0 * k - 1.0) / (2.0 * k)))


def prefix_sum_noise(steps: int, mechanism: Literal["tree", "square root", "independent"]) -> float:
    """Largest standard deviation of the error of private prefix sums, for a noise multiplier and a norm of 1.

    Parameters
    ----------
    steps : int >= 1
        T; every record is in one step.
    mechanism : {"tree", "square root", "independent"}

    Examples
    --------
    >>> [round(prefix_sum_noise(16, name), 4) for name in ("tree", "square root", "independent")]
    [4.4721, 1.9439, 4.0]
    """
    length = whole_number(steps, "steps", 1)
    if mechanism == "independent":
        return math.sqrt(length)
    if mechanism == "tree":
        levels = max(1, math.ceil(math.log2(length))) + 1 if length > 1 else 1
        most = max(int(t).bit_count() for t in range(1, length + 1))
        return math.sqrt(most * levels)
    if mechanism != "square root":
        raise ValueError(f"mechanism: {mechanism!r} is not one of tree, square root, independent")
    return float(np.sum(square_root_coefficients(length) ** 2))


@description
class DPFTRL:
    """Follow the regularised leader with private prefix sums of gradients, one pass over disjoint batches.

    w_{t+1} = w_0 - eta (noisy sum of the gradients so far). Noise on the prefix sums is correlated, so that it grows
    like the logarithm of the number of steps and not like its root, without any sampling.

    Parameters
    ----------
    epsilon : float > 0
        inf: no noise, and no privacy.
    delta : float in (0, 1)
    step : float > 0
        eta.
    mechanism : {"square root", "independent"}
        The square root of the matrix of prefix sums, or independent noise on each gradient, which is one-pass DP-SGD.
    adjacency : {"replace_one", "add_remove"}
    enforce : {"clip", "assume"}
        As for `PrivateSpiderBoost`.
    """

    epsilon: Epsilon
    delta: Delta
    step: Positive
    mechanism: Literal["square root", "independent"] = Field(default="square root", kw_only=True)
    adjacency: Adjacency = Field(default="replace_one", kw_only=True)
    enforce: Literal["clip", "assume"] = Field(default="clip", kw_only=True)

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
    ) -> Trajectory:
        """Take T steps on batches of n // T records.

        Parameters
        ----------
        problem, horizon, rng, world, checkpoints
            As for `PrivateSpiderBoost`; T is at most the number of records, whose order is drawn first.
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        n, d, lipschitz, _ = check_problem(records)
        check_clipping(records, self.enforce == "clip")
        refuse_public_part(records, type(self).__name__)
        steps = whole_number(horizon, "horizon", 1)
        if steps > n:
            raise ValueError(f"horizon: {steps} is above the {n} records, each of which is in one batch")
        size, order = n // steps, own.permutation(n)
        multiplier = 0.0 if self.epsilon == math.inf else 1.0 / gaussian_mu(self.epsilon, self.delta)
        roots = square_root_coefficients(steps)
        spread = _sides(self.adjacency) * lipschitz * multiplier
        # A record enters one column of the root, of norm |c|; then the noise of the sums is the root times white noise.
        drawn = spread * own.standard_normal((steps, d))
        if self.mechanism == "square root":
            drawn = drawn * math.sqrt(float(roots @ roots))
        marks = checkpoint_rounds(steps, checkpoints)
        w, total, norms, c, status = np.zeros(d), np.zeros(d), [], 0, "finished"
        walked = np.zeros(d)
        for t in range(steps):
            batch = np.sort(order[t * size : (t + 1) * size])
            clip = lipschitz if self.enforce == "clip" else math.inf
            summed = records.gradient_sum(w, clip=clip, batch=batch)
            if not sound(summed, d):
                status = "oracle_error"
                break
            if t + 1 == marks[c]:
                norms.append(float(np.linalg.norm(records.gradient_sum(w) / n)))
                c += 1
            total = total + summed
            walked = roots[: t + 1][::-1] @ drawn[: t + 1] if self.mechanism == "square root" else walked + drawn[t]
            w = -self.step * (total + walked) / size
        metrics = {"gradient_norm": np.array(norms), "gradient_evaluations": size * marks[:c].astype(float)}
        return Trajectory(
            marks[:c],
            metrics,
            {
                "iterate": w,
                "epsilon": self.epsilon,
                "delta": self.delta,
                "adjacency": self.adjacency,
                "noise_multiplier": multiplier,
                "batch": size,
                "final_gradient_norm": float(np.linalg.norm(records.gradient_sum(w) / n)),
                "status": status,
            },
        )
