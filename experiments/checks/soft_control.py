"""Checks of soft control: how sweeps contract, when to stop, and what entropy is worth.

Processes are random, and a corridor: a reward at its far end travels one state a sweep, so that value iteration is as
slow as its bound allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from algos.soft_control import SoftControl, entropy_bias_bound, log_softmax, soft_iteration_bound, stopping_error_bound
from experiments.ledger_checks import Comparison, checks, tightest

__all__: list[str] = []

DISCOUNTS = (0.3, 0.9, 0.99)
TEMPERATURES = (0.0, 0.1, 2.0)
ROUNDING = 1e-10
"""Of values, relative to the sum of the discounts; what is left of an error below it is not compared."""


@checks("soft_iteration_bound")
def iteration(rng: np.random.Generator) -> Comparison:
    """Error of the values after each of 30 sweeps of value iteration, and after each step of policy iteration."""
    return tightest("<=", _errors_left(rng))


@checks("stopping_error_bound")
def stopping(rng: np.random.Generator) -> Comparison:
    """Error of the values that the solver returns, and after sweeps, against the last change."""
    return tightest("<=", _errors_at_the_end(rng))


@checks("entropy_bias_bound")
def entropy_bias(rng: np.random.Generator) -> Comparison:
    """Soft values less those without entropy, and what the soft policy loses, with a horizon and without."""
    return tightest("<=", _biases(rng))


def _processes(rng: np.random.Generator) -> Iterator[tuple[SoftControl, NDArray[np.float64]]]:
    for discount in DISCOUNTS:
        for temperature in TEMPERATURES:
            dense = rng.dirichlet(np.ones(20), size=(20, 3))
            yield SoftControl(dense, rng.dirichlet(np.ones(20)), discount, temperature), rng.standard_normal((20, 3))
            corridor = np.zeros((20, 2, 20))
            states = np.arange(20)
            corridor[states, 0, np.maximum(states - 1, 0)] = 1.0
            corridor[states, 1, np.minimum(states + 1, 19)] = 1.0
            reward = np.zeros((20, 2))
            reward[19] = 1.0
            yield SoftControl(corridor, np.full(20, 0.05), discount, temperature), reward


def _sweep(control: SoftControl, reward: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    q = reward + control.discount * control.transitions @ values
    best = q.max(axis=1)
    if control.temperature == 0.0:
        return np.asarray(best)
    soft = np.log(np.exp((q - best[:, None]) / control.temperature).sum(axis=1))
    return np.asarray(best + control.temperature * soft)


def _floor(control: SoftControl, best: NDArray[np.float64]) -> float:
    return ROUNDING * (control.total_weight + float(np.abs(best).max()))


def _errors_left(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for control, reward in _processes(rng):
        best = control.solve(reward).values[0]
        floor, values = _floor(control, best), np.zeros(control.n_states)
        start = float(np.abs(best).max())
        for k in range(1, 31):
            values = _sweep(control, reward, values)
            bound = soft_iteration_bound(k, control.discount, start)
            if bound > floor:
                yield float(np.abs(values - best).max()), bound + floor
        if control.temperature > 0.0:
            yield from _steps_left(control, reward, best, rng)


def _steps_left(
    control: SoftControl, reward: NDArray[np.float64], best: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """The same of soft policy iteration, from a random policy."""
    policy, start, tau = rng.dirichlet(np.ones(control.n_actions), size=(1, control.n_states)), math.inf, 0.0
    tau, floor = control.temperature, _floor(control, best)
    for k in range(6):
        values, actions = control.evaluate(policy, reward - tau * np.log(policy))
        error = float(np.abs(values[0] - best).max())
        start = error if k == 0 else start
        if k > 0:
            yield error, soft_iteration_bound(k, control.discount, start) + floor
        policy = np.exp(log_softmax((actions + tau * np.log(policy)) / tau))


def _errors_at_the_end(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for control, reward in _processes(rng):
        best = control.solve(reward).values[0]
        floor = _floor(control, best)
        for tolerance in (1.0, 1e-2, 1e-4):
            found = control.solve(reward, solver="value_iteration", tolerance=tolerance)
            # The solver's own use of the bound, and then the bound of one more sweep.
            yield float(np.abs(found.values[0] - best).max()), min(found.error_bound, tolerance) + floor
            values = _sweep(control, reward, found.values[0])
            change = float(np.abs(values - found.values[0]).max())
            yield float(np.abs(values - best).max()), stopping_error_bound(change, control.discount) + floor


def _biases(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for horizon in (None, 5):
        for control, reward in _processes(rng):
            soft = SoftControl(
                control.transitions, control.start, control.discount, control.temperature, horizon=horizon
            )
            hard = SoftControl(control.transitions, control.start, control.discount, 0.0, horizon=horizon)
            bound = entropy_bias_bound(soft.temperature, soft.n_actions, soft.total_weight)
            best, found = hard.solve(reward).values[0], soft.solve(reward)
            excess, loss = found.values[0] - best, best - soft.evaluate(found.policy, reward)[0][0]
            floor = _floor(soft, best)
            for one in (excess, loss) if soft.temperature > 0.0 else ():
                yield float(one.max()) if one.min() >= -floor else math.inf, bound + floor
        # Where all actions are alike the bound is met.
        alike = SoftControl(np.ones((1, 4, 1)), np.ones(1), 0.9, 0.5, horizon=horizon)
        value = float(alike.solve(np.zeros((1, 4))).values[0, 0])
        yield value, entropy_bias_bound(0.5, 4, alike.total_weight) * (1.0 + 1e-12)
