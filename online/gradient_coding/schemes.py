"""Sequential gradient coding: uncoded, gradient coding, selective repeat (SR-SGC) and multiplexed (M-SGC).

Job t, the gradient of one model, begins in round t and is decoded at the end of round t + T. The load of a scheme is
the largest share of one job's data that a worker goes through in a round; its delay is T.

Sources: M. N. Krishnan, M. R. Ebrahimi, A. Khisti, "Sequential Gradient Coding For Straggler Mitigation",
arXiv:2211.13802, and the authors' code, as described in the project's specification of the paper. Exact rules, minimal
waiting and the variants with repetition are derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.contracts import (
    Count,
    Natural,
    NonNegative,
    Trajectory,
    check_generator,
    checkpoint_rounds,
    description,
    whole_number,
)
from algos.gradient_codes import uneven_groups
from online.gradient_coding import master
from online.gradient_coding.clusters import open_cluster
from online.gradient_coding.master import MasterState, SchemeNumbers, UndecodableError

__all__ = ["GradientCoding", "Multiplexed", "SelectiveRepeat", "SequentialScheme", "Uncoded"]

Wait = Literal["all", "minimal", "never"]
_WAITS = {"all": master.WAIT_ALL, "minimal": master.WAIT_MINIMAL, "never": master.WAIT_NEVER}
_RULES = {
    "everybody": master.EVERYBODY,
    "count": master.COUNT,
    "groups": master.GROUPS,
    "bursty": master.BURSTY,
    "arbitrary": master.ARBITRARY,
    "exempting": master.EXEMPTING,
    "per round": master.COUNT,
    "exact": master.EXACT,
}
_NO_GROUPS = np.empty(0, dtype=np.int64)
_AT_ONCE = 2**17  # answers of workers held at once

Slack = Annotated[NonNegative, Field(kw_only=True)]
Window = Annotated[Count, Field(ge=2, le=32_000)]  # counts within a window are of 16 bits


class SequentialScheme:
    """What the schemes have in common: load, delay, and a run on a cluster."""

    n_workers: int
    deadline_slack: float
    wait: Wait

    @property
    def exact_load(self) -> Fraction:
        """Largest share of one job's data that a worker goes through in a round."""
        raise NotImplementedError

    @property
    def load(self) -> float:
        """The exact load as a float."""
        return float(self.exact_load)

    @property
    def delay(self) -> int:
        """T: job t is decoded at the end of round t + T."""
        return 0

    def numbers(self) -> SchemeNumbers:
        """What the master's loop must know."""
        raise NotImplementedError

    def loads(self, first: int, rounds: int, jobs: int) -> NDArray[np.float64]:
        """The load that is charged in the rounds first, first + 1, ..., shape (rounds,)."""
        return np.full(rounds, self.load)

    def run(
        self,
        cluster: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
        gradient: Callable[[int, int, int], Any] | None = None,
        n_samples: int = 0,
        decoded: Callable[[int, Any], None] | None = None,
    ) -> Trajectory:
        """Compute a sequence of gradients on a cluster.

        Parameters
        ----------
        cluster : Cluster or array of float > 0, shape (rounds, n)
            Answer times, seconds from a round's start, of at least ``horizon + delay`` rounds. inf is a worker that
            does not answer in that round.
        horizon : int >= 0
            J, jobs.
        rng : numpy.random.Generator
            Draws the cluster's answers unless `world` is given, and the weights of a code for real gradients.
        world : numpy.random.Generator, optional
            The cluster's stream.
        checkpoints : array of int in 1..horizon + delay, optional
            Rounds at which metrics are recorded; at most 200 equally spaced ones when omitted.
        trace : bool
            True adds ``durations`` (float64, seconds), ``waited`` (bool) and ``stragglers`` (bool, shape (rounds, n)),
            a row a round.
        gradient : callable, optional
            ``gradient(job, start, stop)`` is the sum of the gradients of samples start..stop - 1, an array or a list of
            arrays. The workers' results are then really computed, encoded, decoded and compared.
        n_samples : int >= 1
            Samples of a job, with `gradient`.
        decoded : callable, optional
            Called with each job and its gradient, in order, at the end of the round in which it is decoded.

        Returns
        -------
        Trajectory
            By round: metrics ``runtime``, seconds since the start, and ``waits``, rounds in which the master waited
            beyond its deadline. Outcome ``runtime``, ``waits``, ``load``, ``delay``, ``straggles`` (results lost), and
            with `gradient` ``decoding_error``, the largest error of a decoded gradient relative to the sum of the norms
            of its chunks.

        Raises
        ------
        ValueError
            When an argument is out of its range, or an answer does not come after its round has begun.
        UndecodableError
            When a job needs an answer that never comes, or the master does not wait.
        """
        jobs = whole_number(horizon, "horizon", 0)
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        rounds = jobs + self.delay if jobs else 0
        running = open_cluster(cluster, self.n_workers, rounds, nature)
        durations, waited = np.zeros(rounds), np.zeros(rounds, dtype=np.uint8)
        following = gradient is not None or trace
        pattern = np.zeros((rounds if following else 0, self.n_workers if following else 0), dtype=np.uint8)
        lost = self._play(running, jobs, durations, waited, pattern)
        marks = checkpoint_rounds(rounds, checkpoints, spacing="linear")
        clock, waits = np.cumsum(durations), np.cumsum(waited, dtype=np.float64)
        outcome: dict[str, Any] = {
            "runtime": float(clock[-1]) if rounds else 0.0,
            "waits": int(waited.sum()),
            "load": self.load,
            "delay": self.delay,
            "straggles": lost,
        }
        if trace:
            outcome |= {"durations": durations, "waited": waited.astype(bool), "stragglers": pattern.astype(bool)}
        if gradient is not None:
            from online.gradient_coding.placement import compute

            outcome["decoding_error"] = compute(
                self, pattern.astype(bool), jobs, gradient, whole_number(n_samples, "n_samples", 1), own, decoded
            )
        return Trajectory(marks, {"runtime": clock[marks - 1], "waits": waits[marks - 1]}, outcome)

    def _play(
        self,
        running: Any,
        jobs: int,
        durations: NDArray[np.float64],
        waited: NDArray[np.uint8],
        pattern: NDArray[np.uint8],
    ) -> int:
        """Play all rounds into the arrays; how many results were lost."""
        scheme = self.numbers()
        state: MasterState = master.open_master(self.n_workers, scheme)
        at_once = 1 if running.watches else max(1, _AT_ONCE // self.n_workers)
        empty, rounds = np.empty((0, 0), dtype=np.uint8), durations.size
        for first in range(0, rounds, at_once):
            end = min(first + at_once, rounds)
            delays = running.next(end - first)
            shifts = running.alpha * (self.loads(first, end - first, jobs) - running.reference_load)
            here = pattern[first:end] if pattern.size else (
                np.empty((1, self.n_workers), dtype=np.uint8) if running.watches else empty
            )  # fmt: skip
            fine = master.play_rounds(
                scheme, state, delays, first, jobs, shifts, self.deadline_slack, wait_number(self.wait),
                durations[first:end], waited[first:end], here,
            )  # fmt: skip
            if not fine:
                self._explain(state, delays, first, shifts)
            if running.watches:
                running.watch(here[0].astype(bool))
        return int(state.lost[0])

    def _explain(self, state: MasterState, delays: Any, first: int, shifts: NDArray[np.float64]) -> None:
        what, job, r = (int(number) for number in state.trouble)
        if what == master.NOT_POSITIVE:
            explain_delays(delays[r - first], r, float(shifts[r - first]))
        if what == master.NEVER_ANSWERS:
            raise UndecodableError(job, r, "it needs a worker that never answers")
        late = int(state.straggling.sum())
        raise UndecodableError(job, r, f"{late} stragglers are more than {self!r} bears, and it does not wait")


def explain_delays(row: NDArray[np.float64], r: int, shift: float) -> None:
    """Raise ``ValueError`` for the first answer of a round that is not a time > 0."""
    times = row + shift
    worker = int(np.argmax(~(times > 0)))
    with_load = f" with {shift:g} s for the load" if shift else ""
    raise ValueError(f"delays: worker {worker} answers round {r} after {times[worker]:g} s{with_load}; must be > 0")


def _rule_error(rule: str, known: tuple[str, ...]) -> ValueError:
    return ValueError(f"rule = {rule!r}: must be one of {', '.join(known)}")


@description
class Uncoded(SequentialScheme):
    """Every worker has 1 / n of the data, and the master waits for all of them.

    Parameters
    ----------
    n_workers : int >= 1
        n.

    Examples
    --------
    >>> run = Uncoded(3).run([[1.0, 2.0, 5.0], [1.0, 1.0, 1.5]], horizon=2, rng=np.random.default_rng(0))
    >>> run.outcome["runtime"]
    6.5
    """

    n_workers: Count
    deadline_slack: Slack = 1.0
    wait: Literal["all"] = Field(default="all", kw_only=True)

    @property
    def exact_load(self) -> Fraction:
        """1 / n."""
        return Fraction(1, self.n_workers)

    def numbers(self) -> SchemeNumbers:
        """Nobody may be missing."""
        return SchemeNumbers(master.ONE_ROUND, master.EVERYBODY, 0, 1, 1, 0, 0, _NO_GROUPS)


@description
class GradientCoding(SequentialScheme):
    """A gradient code in every round: job t is decoded in round t from any n - s results.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s.
    repetition : bool
        True takes groups of workers that repeat one another, of which one must answer (`UnevenRepetitionCode`).
    strict_compat : bool
        True bears less than s stragglers and not s, as the authors' simulator does although it pays for s.
    deadline_slack : float >= 0
        mu: stragglers answer after (1 + mu) times the fastest.
    wait : {"all", "minimal", "never"}
        What the master does beyond the deadline when too many are late: wait for everybody, for as many as it needs, or
        give up.

    Examples
    --------
    >>> GradientCoding(256, 15).exact_load, GradientCoding(256, 27, repetition=True).exact_load
    (Fraction(1, 16), Fraction(1, 9))
    """

    n_workers: Count
    max_stragglers: Natural
    repetition: bool = Field(default=False, kw_only=True)
    strict_compat: bool = Field(default=False, kw_only=True)
    deadline_slack: Slack = 1.0
    wait: Wait = Field(default="all", kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> GradientCoding:
        if self.max_stragglers > self.n_workers - 1:
            raise ValueError(f"max_stragglers = {self.max_stragglers}: must be at most n_workers - 1")
        return self

    @property
    def exact_load(self) -> Fraction:
        """(s + 1) / n, or one over the number of groups."""
        return code_load(self.n_workers, self.max_stragglers, self.repetition)

    def numbers(self) -> SchemeNumbers:
        """At most s stragglers, or an answer of every group."""
        s, groups = self.max_stragglers, groups_of(self.n_workers, self.max_stragglers, self.repetition)
        rule = master.GROUPS if self.repetition else master.COUNT
        return SchemeNumbers(master.ONE_ROUND, rule, s - 1 if self.strict_compat else s, 1, 1, 0, 0, groups)


@description
class SelectiveRepeat(SequentialScheme):
    """SR-SGC: a gradient code that is too weak for the worst round, and whose missing results are repeated B later.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    burst : int >= 1
        B, the longest time from the first to the last straggling round of a worker within a window.
    window : int in 2..32,000
        W, with W - 1 a multiple of B.
    max_stragglers : int in 0..n
        lambda, distinct stragglers within a window.
    rule : {"exempting", "bursty", "per round", "exact"}
        Which patterns the master accepts. The authors': bursty, but rounds with at most s stragglers in which no
        repeated result came do not count. Bursty; at most s in every round; or no repeater among the stragglers, which
        is all that decoding needs.
    repetition : bool
        True repeats workers in groups; then one worker of each group without an answer repeats. Its rule is bursty, or
        exact.
    deadline_slack : float >= 0
        mu.
    wait : {"all", "minimal", "never"}
        As for `GradientCoding`.

    Notes
    -----
    The code bears s = ceil(B lambda / (W - 1 + B)) stragglers; T = B. `sr_sgc_load`.

    Examples
    --------
    >>> scheme = SelectiveRepeat(256, burst=2, window=3, max_stragglers=23)
    >>> scheme.code_stragglers, scheme.load, scheme.delay
    (12, 0.05078125, 2)
    """

    n_workers: Count
    burst: Count
    window: Window
    max_stragglers: Natural
    rule: Literal["exempting", "bursty", "per round", "exact"] | None = Field(default=None, kw_only=True)
    repetition: bool = Field(default=False, kw_only=True)
    deadline_slack: Slack = 1.0
    wait: Wait = Field(default="all", kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> SelectiveRepeat:
        if self.max_stragglers > self.n_workers:
            raise ValueError(f"max_stragglers = {self.max_stragglers}: must be at most n_workers = {self.n_workers}")
        if (self.window - 1) % self.burst:
            raise ValueError(f"window = {self.window}: window - 1 must be a multiple of burst = {self.burst}")
        if self.code_stragglers > self.n_workers - 1:
            raise ValueError(f"max_stragglers = {self.max_stragglers}: must be 0 for a single worker")
        if self.repetition and self.rule in ("exempting", "per round"):
            raise _rule_error(self.rule, ("bursty", "exact"))
        return self

    @property
    def code_stragglers(self) -> int:
        """S = ceil(B lambda / (W - 1 + B)), stragglers that the code itself bears."""
        return selective_repeat_stragglers(self.burst, self.window, self.max_stragglers)

    @property
    def exact_load(self) -> Fraction:
        """(s + 1) / n, or one over the number of groups."""
        return code_load(self.n_workers, self.code_stragglers, self.repetition)

    @property
    def delay(self) -> int:
        """B."""
        return self.burst

    def numbers(self) -> SchemeNumbers:
        """The code's s, and the window."""
        s = self.code_stragglers
        rule = self.rule or ("bursty" if self.repetition else "exempting")
        groups = groups_of(self.n_workers, s, self.repetition)
        return SchemeNumbers(
            master.SELECTIVE_REPEAT, _RULES[rule], s, self.burst, self.window, self.max_stragglers, self.burst, groups
        )


@description
class Multiplexed(SequentialScheme):
    """M-SGC: most of a job is computed without a code and retried, a small part of it is coded and comes last.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    burst : int in 1..window - 1
        B.
    window : int in 2..32,000
        W.
    max_stragglers : int in 0..n
        lambda.
    rule : {"bursty", "arbitrary", "exact"}
        Which patterns the master accepts: at most lambda distinct stragglers in a window of W rounds, each for at most
        B rounds from first to last; at most lambda in W + B - 1 rounds, each at most B times; or whatever can still be
        decoded when all later rounds are waited out.
    repetition : bool
        True protects the coded part by repetition.
    charge_edges : bool
        Whether the first and last rounds, in which some of a worker's mini-tasks are of no job, cost the full load, as
        in the authors' code.
    deadline_slack : float >= 0
        mu.
    wait : {"all", "minimal", "never"}
        As for `GradientCoding`.

    Notes
    -----
    T = W - 2 + B; the load lies between 1 / n and 2 / n. `m_sgc_load`.

    Examples
    --------
    >>> scheme = Multiplexed(256, burst=1, window=2, max_stragglers=27)
    >>> scheme.exact_load, scheme.delay
    (Fraction(7, 928), 1)
    """

    n_workers: Count
    burst: Count
    window: Window
    max_stragglers: Natural
    rule: Literal["bursty", "arbitrary", "exact"] = Field(default="bursty", kw_only=True)
    repetition: bool = Field(default=False, kw_only=True)
    charge_edges: bool = Field(default=True, kw_only=True)
    deadline_slack: Slack = 1.0
    wait: Wait = Field(default="all", kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> Multiplexed:
        if self.max_stragglers > self.n_workers:
            raise ValueError(f"max_stragglers = {self.max_stragglers}: must be at most n_workers = {self.n_workers}")
        if self.burst > self.window - 1:
            raise ValueError(
                f"burst = {self.burst}: must be at most window - 1 = {self.window - 1}, "
                "or a worker may straggle for ever"
            )
        return self

    @property
    def exact_load(self) -> Fraction:
        """All slots of a round at the cost of a mini-task each."""
        return self.chunk_share * (self.window - 1 + self.burst)

    @property
    def chunk_share(self) -> Fraction:
        """The share of a job's data that one mini-task goes through."""
        n, b, w = self.n_workers, self.burst, self.window
        if self.max_stragglers == n:
            return Fraction(1, n * (w - 1))
        return 1 / (n * (w - 1) + b / code_load(n, self.max_stragglers, self.repetition))

    @property
    def delay(self) -> int:
        """W - 2 + B."""
        return self.window - 2 + self.burst

    def loads(self, first: int, rounds: int, jobs: int) -> NDArray[np.float64]:
        """The full load, or that of the slots that belong to a job."""
        if self.charge_edges:
            return super().loads(first, rounds, jobs)
        r = np.arange(first, first + rounds)
        slots = np.minimum(r, self.delay) - np.maximum(0, r - jobs + 1) + 1
        return np.asarray(slots * float(self.chunk_share))

    def numbers(self) -> SchemeNumbers:
        """The window."""
        n, spread = self.n_workers, self.max_stragglers
        groups = groups_of(n, spread, self.repetition and spread < n)
        return SchemeNumbers(
            master.MULTIPLEXED, _RULES[self.rule], 0, self.burst, self.window, spread, self.delay, groups
        )


def selective_repeat_stragglers(burst: int, window: int, spread: int) -> int:
    """ceil(B lambda / (W - 1 + B)), which is below n but for a single worker."""
    return -(-burst * spread // (window - 1 + burst))


def wait_number(wait: Wait) -> int:
    """How kernels know what the master does beyond its deadline."""
    return _WAITS[wait]


def code_load(n: int, s: int, repetition: bool) -> Fraction:
    """(s + 1) / n, or 1 / floor(n / (s + 1)) where workers repeat one another in groups."""
    return Fraction(1, n // (s + 1)) if repetition else Fraction(s + 1, n)


def groups_of(n: int, s: int, repetition: bool) -> NDArray[np.int64]:
    """The group of each worker; empty without repetition."""
    return uneven_groups(n, s) if repetition else _NO_GROUPS
