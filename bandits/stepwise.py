"""A policy played one step at a time, by your own loop: select an arm, do what it stands for, tell what it paid.

Its state can be saved as JSON in the middle of a run and loaded elsewhere; it then goes on with the same bits.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import check_generator, whole_number
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from bandits.policy import Policy

__all__ = ["StepwisePolicy"]


class _ArmsByNumber:
    """Arms of which only their number is known."""

    def __init__(self, n_arms: int) -> None:
        self.n_arms = n_arms


class StepwisePolicy:
    """A policy for arms that only you can pull.

    Parameters
    ----------
    policy : Policy
        Any policy of `bandits` that needs to know no more of the arms than their number.
    n_arms : int >= 1
        Number of arms.
    rng : numpy.random.Generator
        The policy's random stream.
    horizon : int >= 1
        Rounds that will be played, for policies that are tuned to it.
    compiled : bool
        False interprets the policy's functions: same bits, nothing to compile, slow.

    Examples
    --------
    >>> from bandits import UCB1
    >>> play = StepwisePolicy(UCB1(), n_arms=2, rng=np.random.default_rng(0))
    >>> for _ in range(100):
    ...     arm = play.select()
    ...     play.update(1.0 if arm == 1 else 0.0)
    >>> play.pulls.tolist()
    [6, 94]
    """

    def __init__(
        self, policy: Policy, n_arms: int, rng: np.random.Generator, *, horizon: int = 1, compiled: bool = True
    ) -> None:
        self.policy = policy
        self.n_arms = whole_number(n_arms, "n_arms", 1)
        self.rng = check_generator(rng, "StepwisePolicy")
        self.pulls: NDArray[np.int64] = np.zeros(self.n_arms, dtype=np.int64)
        self.rounds = 0
        self._kernels = policy.kernels().in_form(as_compiled if compiled else as_interpreted)
        try:
            self._params = policy.parameters_for(_ArmsByNumber(self.n_arms), whole_number(horizon, "horizon", 1))
            self._state = self._kernels.init(self.n_arms, self._params)
        except AttributeError as missing:
            raise ValueError(f"policy: {type(policy).__name__} needs to know more of the arms ({missing})") from None
        self._open: int | None = None

    def select(self, context: ArrayLike | None = None) -> int:
        """The arm to pull next.

        Parameters
        ----------
        context : array of float, optional
            What the policy may look at: a number for policies that have a range of contexts.

        Raises
        ------
        ValueError
            When the arm selected before has no reward yet, or the context is missing or not finite.
        """
        if self._open is not None:
            raise ValueError(f"select: arm {self._open} of round {self.rounds} still waits for its reward")
        shown = self._context(context)
        self.rounds += 1
        if shown is not None and self._kernels.observe is not None:
            self._kernels.observe(self._state, self._params, self.rounds, shown)
        self._open = int(self._kernels.select(self._state, self._params, self.rounds, self.rng))
        return self._open

    def update(self, reward: float, *, arm: int | None = None) -> None:
        """Tell the reward of the arm selected last.

        Parameters
        ----------
        reward : float
            What it paid, finite; in [0, 1] for policies that need that.
        arm : int, optional
            The arm that was pulled, as a check.
        """
        if self._open is None:
            raise ValueError("update: no arm was selected since the last one")
        value = _number(reward, "reward")
        if self.policy.unit_rewards() and not 0.0 <= value <= 1.0:
            raise ValueError(f"reward: {value!r} is outside [0, 1], which {type(self.policy).__name__} needs")
        if arm is not None and not (0 <= whole_number(arm, "arm", 0) < self.n_arms and arm == self._open):
            raise ValueError(f"arm: {arm} was not selected; {self._open} was")
        self._kernels.update(self._state, self._params, self.rounds, self._open, value)
        self.pulls[self._open] += 1
        self._open = None

    def discard(self) -> None:
        """Drop the arm that waits for its reward: the round is not counted, but what was drawn for it stays drawn."""
        if self._open is not None:
            self._open = None
            self.rounds -= 1

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """The distribution that the last arm was drawn from, shape (n_arms,); None for policies that keep none."""
        if self._kernels.summary is None:
            return None
        weights = getattr(self._kernels.summary(self._state), "weights", None)
        return None if weights is None else np.array(weights)

    def summary(self) -> dict[str, Any]:
        """What the policy says of its state, as the outcome of a run does."""
        return {} if self._kernels.summary is None else self._kernels.summary(self._state)._asdict()

    def to_json(self) -> str:
        """The state, the random stream included. Only between rounds."""
        if self._open is not None:
            raise ValueError(f"to_json: arm {self._open} of round {self.rounds} still waits for its reward")
        return json.dumps(
            {
                "policy": type(self.policy).__name__,
                "n_arms": self.n_arms,
                "rounds": self.rounds,
                "pulls": self.pulls.tolist(),
                "state": _plain(self._state),
                "rng": _plain_stream(self.rng.bit_generator.state),
            },
            allow_nan=False,
        )

    def load_json(self, text: str) -> None:
        """Take over a state that `to_json` wrote for the same policy and number of arms.

        Raises
        ------
        ValueError
            When the text is none, or of another policy or number of arms; nothing is changed then.
        """
        try:
            saved = json.loads(text)
            same = saved["policy"] == type(self.policy).__name__ and saved["n_arms"] == self.n_arms
            state = self._kernels.init(self.n_arms, self._params)
            if same:
                _fill(state, saved["state"])
                pulls = np.array(saved["pulls"], dtype=np.int64).reshape(self.n_arms)
                rounds = whole_number(saved["rounds"], "rounds", 0)
                stream = type(self.rng.bit_generator)()
                stream.state = _stream(saved["rng"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"load_json: no state of {type(self.policy).__name__}: {error}") from None
        if not same:
            raise ValueError(
                f"load_json: the state is of {saved['policy']} with {saved['n_arms']} arms, "
                f"not of {type(self.policy).__name__} with {self.n_arms}"
            )
        self._state, self.pulls, self.rounds, self._open = state, pulls, rounds, None
        self.rng.bit_generator.state = stream.state

    def _context(self, context: ArrayLike | None) -> NDArray[np.float64] | None:
        if context is None:
            if self._kernels.observe is not None:
                raise ValueError(f"context: {type(self.policy).__name__} needs one in every round")
            return None
        try:
            shown = np.atleast_1d(np.array(context, dtype=np.float64))
        except (TypeError, ValueError):
            raise ValueError(f"context: {context!r} is not an array of numbers") from None
        if not np.isfinite(shown).all():
            raise ValueError(f"context: {context!r} is not finite")
        low, high = getattr(self.policy, "low", -math.inf), getattr(self.policy, "high", math.inf)
        if hasattr(self.policy, "low"):
            if shown.size != 1:
                raise ValueError(f"context: {type(self.policy).__name__} needs one number, got shape {shown.shape}")
            if not low <= shown[0] <= high and not self.summary().get("clipped_contexts", 0):
                warnings.warn(
                    f"context {shown[0]:g} is outside [{low:g}, {high:g}] and is moved to the nearer end; further ones "
                    "are counted in clipped_contexts",
                    RuntimeWarning,
                    stacklevel=3,
                )
        return shown


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name}: {value!r} is not a number")
    if not math.isfinite(value):
        raise ValueError(f"{name}: {value!r} is not finite")
    return float(value)


def _plain(value: Any) -> Any:
    """Arrays as lists, tuples as lists, what JSON cannot write as text."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "values": [_plain(entry) for entry in value.ravel().tolist()]}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _fill(template: Any, saved: Any) -> None:
    """Write saved values into the arrays of a state of the same form."""
    if isinstance(template, np.ndarray):
        values = [float(entry) if isinstance(entry, str) else entry for entry in saved["values"]]
        if tuple(saved["shape"]) != template.shape:
            raise ValueError(f"an array of shape {tuple(saved['shape'])} where {template.shape} belongs")
        template[...] = np.array(values, dtype=template.dtype).reshape(template.shape)
    elif isinstance(template, tuple):
        for part, entry in zip(template, saved, strict=True):
            _fill(part, entry)


def _plain_stream(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _plain_stream(part) for name, part in state.items()}
    return _plain(state) if isinstance(state, np.ndarray) else (int(state) if isinstance(state, np.integer) else state)


def _stream(saved: Any) -> Any:
    if isinstance(saved, dict):
        if set(saved) == {"shape", "values"}:
            return np.array(saved["values"], dtype=np.uint64).reshape(saved["shape"])
        return {name: _stream(part) for name, part in saved.items()}
    return saved
