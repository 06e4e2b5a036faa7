"""The one verb of all bilevel methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.bilevel_oracles import BilevelProblem
from algos.contracts import Trajectory, description
from optimization.bilevel.oracles import Oracles
from optimization.bilevel.runs import State, drive

__all__ = ["BilevelMethod"]


@description
class BilevelMethod:
    """What the methods share: how they are run."""

    @property
    def stochastic(self) -> bool:
        """Whether gradients are of samples."""
        return bool(getattr(self, "sampled", False))

    def run(
        self,
        problem: BilevelProblem,
        horizon: int,
        rng: np.random.Generator,
        *,
        start: tuple[ArrayLike, ArrayLike] | None = None,
        state: NDArray[np.float64] | None = None,
        checkpoints: ArrayLike | None = None,
        tolerance: float | None = None,
        trace: bool = False,
        world: np.random.Generator | None = None,
    ) -> Trajectory:
        """Take K outer steps.

        Parameters
        ----------
        problem : BilevelProblem
            Any object as `algos.bilevel_oracles.BilevelProblem` says: with ``kernels()`` the run is compiled, without
            it the same steps are made in Python, with the same results.
        horizon : int >= 0
            K.
        rng : numpy.random.Generator
            Draws samples, and the ``random`` iterate.
        start : pair of float, shapes (dx,) and (dy,), optional
            x0 and y0; the problem's own, or zeros. Outside X or Y they are projected first, and
            ``start_projected`` says so.
        state : float array, optional
            ``outcome["state"]`` of an earlier run of the same method on the same problem, to go on from there: K steps
            and then K' are the same as K + K'.
        checkpoints : array of int in 1..K, optional
            At most 200 logarithmically spaced ones when omitted.
        tolerance : float > 0, optional
            Ends the run as "converged" when the measured gradient mapping of x, from the method's own direction, is no
            longer than that.
        trace : bool
            True adds ``iterates`` and ``directions`` at the checkpoints, shape (C, dx).
        world : numpy.random.Generator, optional
            Draws a problem that has ``sample``.

        Returns
        -------
        Trajectory
            Metrics: ``gradient_norm``, |x - Pi_X(x - gradient)| for the exact gradient of psi, or of psi_s where only
            that is known, or the method's own measure (``gradient_norm_of`` says "psi", "psi_s" or "surrogate");
            ``upper`` f(x, y); ``lower_gap`` g(x, y) - min g, NaN where the minimum is not known; ``oracle_calls``,
            pairs of gradients and products with second derivatives; ``seconds`` in the loop, which depend on the
            machine.
            Outcome: ``iterate`` x; ``lower`` y; ``best``, x of the smallest measured mapping; ``random``, an x drawn
            with probability proportional to its step; ``steps``; ``state``; the counts of each oracle; ``status``:
            "converged", "max_iter", "inner_stalled" (most inner loops ended at their cap), "diverged" or
            "oracle_error" (not finite, or of the wrong shape), after which the iterates are the last finite ones;
            "indefinite_lower_hessian" of `AID`.
        """
        return drive(
            self, problem, horizon, rng, start=start, state=state, checkpoints=checkpoints, tolerance=tolerance,
            trace=trace, world=world,
        )  # fmt: skip

    def prepare(self, oracles: Oracles, problem: Any) -> Any:
        """Constants of the loop; raises ValueError when the problem cannot be solved by the method."""
        raise NotImplementedError

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """The state before the first step."""
        raise NotImplementedError

    def loop(self) -> Callable[..., Any]:
        """The loop over outer steps: (oracles, arrays, steps, state, samples, tolerance, rng) -> (steps made, code)."""
        raise NotImplementedError

    def schedules(self, constants: Any, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """What the loop needs at outer steps first..last - 1."""
        raise NotImplementedError

    def penalty(self, constants: Any, k: int) -> float:
        """The penalty sigma of an outer step; 1e-3 where the method has none, for the metrics of psi_s alone."""
        return 1e-3
