"""What a world of arms may add to its rewards: a state, rounds that differ, contexts, rivals to be compared with.

Stationary arms need only ``pull(params, arm, rng)``. A world that needs more returns the functions below from its
method ``round_kernels()``; each may be missing, and each adds one thing only.

* ``start(params, rng)`` returns the world's state at the start of a run, which the others and ``pull`` then get in
  place of ``params``. A world that keeps no state between rounds can do without.
* ``advance(world, t, rng)`` opens round t = 1, 2, ... before the policy chooses: it moves a state on, draws contexts.
* ``context(world)`` returns the array that the policy may look at before it chooses.
* ``expected(world, arm)`` returns the arm's mean reward in this round, or the reward itself where it is fixed in
  advance. Regret needs it wherever means differ from round to round. It changes nothing.
* ``collected(world, arm)`` returns the mean reward of the arm in this round, where regret is not against what other
  arms would pay in it: the world's method ``benchmarks(rounds)`` then gives, by the name of each regret, the largest
  sum of mean rewards that can be had up to each round. For worlds in which rewards depend on what was played before.
  It changes nothing.
* ``rival(world, i)`` returns the mean reward in this round of the i-th of ``n_rivals`` competitors, say experts; the
  regret is then against the best of them, and no longer against the best arm. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["RoundKernels"]


class RoundKernels(NamedTuple):
    """The optional functions of a world, plain Python or compiled, as described at the top of this module."""

    start: Callable[..., Any] | None = None
    advance: Callable[..., Any] | None = None
    context: Callable[..., Any] | None = None
    expected: Callable[..., Any] | None = None
    rival: Callable[..., Any] | None = None
    collected: Callable[..., Any] | None = None

    def in_form(self, form: Callable[..., Any]) -> RoundKernels:
        """The functions in one form, `algos.kernels.compiled` or `algos.kernels.interpreted`."""
        return RoundKernels._make(None if kernel is None else form(kernel) for kernel in self)
