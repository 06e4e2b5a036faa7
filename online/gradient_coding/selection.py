"""Which scheme, and which parameters, would have been fastest on recorded answer times.

Every scheme and parameter of a grid is played on the record, shifted to the load at hand: alpha seconds per unit of
load. The fastest wins; of equals the first in the order of the grid.

Source: M. N. Krishnan, M. R. Ebrahimi, A. Khisti, "Sequential Gradient Coding For Straggler Mitigation",
arXiv:2211.13802, with the grids of the authors' code. The families with repetition and event-driven masters are added
here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from online.gradient_coding import master
from online.gradient_coding.clusters import check_delays
from online.gradient_coding.event_driven import EventDriven
from online.gradient_coding.schemes import (
    GradientCoding,
    Multiplexed,
    SelectiveRepeat,
    SequentialScheme,
    Uncoded,
    Wait,
    code_load,
    groups_of,
    selective_repeat_stragglers,
    wait_number,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FAMILIES", "Candidate", "Selection", "multiplexed_grid", "select_parameters", "selective_repeat_grid"]

Rule = Literal["paper", "exact"]

FAMILIES = (
    "uncoded",
    "GC",
    "SR-SGC",
    "M-SGC",
    "GC-Rep",
    "SR-SGC-Rep",
    "M-SGC-Rep",
    "event-driven GC",
    "event-driven repetition",
)
"""Families of schemes, as tables and figures call them."""


@dataclass(frozen=True)
class Candidate:
    """A scheme with what it would have taken."""

    family: str
    scheme: SequentialScheme
    runtime: float
    """Seconds for all jobs."""
    waits: int
    """Rounds in which the master waited beyond its deadline."""

    @property
    def parameters(self) -> str:
        """What tells it from others of its family."""
        scheme: Any = self.scheme
        if self.family == "uncoded":
            return ""
        if self.family == "event-driven repetition":
            sizes = np.bincount(scheme.groups)
            return f"{sizes.size} groups of {sizes.min()}" + (f" or {sizes.max()}" if sizes.max() > sizes.min() else "")
        if hasattr(scheme, "burst"):
            return f"B={scheme.burst}, W={scheme.window}, lambda={scheme.max_stragglers}"
        return f"s={scheme.max_stragglers}"


@dataclass(frozen=True, eq=False)
class Selection:
    """What every scheme and parameter of the grids would have taken.

    Parameters
    ----------
    jobs : int
        Jobs played.
    families : mapping of str to _Family
        By family: parameters, loads, total times and waits, in the order of the grid.
    """

    jobs: int
    families: dict[str, _Family]

    def best(self, family: str | None = None, k: int = 1) -> list[Candidate]:
        """The k fastest of a family, or of all; those that do not run (an answer that never comes) are left out."""
        whole_number(k, "k", 1)
        names = list(self.families) if family is None else [family]
        if family is not None and family not in self.families:
            raise ValueError(f"family: {family!r} is not one of {', '.join(self.families)}")
        found: list[Candidate] = []
        for name in names:
            here = self.families[name]
            order = np.argsort(here.runtimes, kind="stable")[:k]
            found += [
                Candidate(name, here.scheme(int(p)), float(here.runtimes[p]), int(here.waits[p]))
                for p in order
                if np.isfinite(here.runtimes[p])
            ]
        return sorted(found, key=lambda candidate: candidate.runtime)[:k]  # stable: first in order of the grids

    def frame(self) -> pd.DataFrame:
        """All results: family, s, B, W, lambda, delay, load, runtime (seconds), waits."""
        import pandas as pd

        frames = []
        for name, here in self.families.items():
            columns = dict(zip(("s", "burst", "window", "max_stragglers", "delay"), here.parameters.T, strict=True))
            frames.append(
                pd.DataFrame(
                    {"family": name, **columns, "load": here.loads, "runtime": here.runtimes, "waits": here.waits}
                )
            )
        return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True, eq=False)
class _Family:
    parameters: NDArray[np.int64]  # (P, 5): s, B, W, lambda, T
    loads: NDArray[np.float64]
    runtimes: NDArray[np.float64]
    waits: NDArray[np.int64]
    schemes: Any  # from a row of the parameters to the scheme

    def scheme(self, place: int) -> SequentialScheme:
        made = self.schemes(*(int(number) for number in self.parameters[place]))
        assert isinstance(made, SequentialScheme)
        return made


def select_parameters(
    delays: ArrayLike,
    jobs: int | None = None,
    *,
    alpha: float = 0.0,
    reference_load: float = 0.0,
    max_delay: int = 4,
    max_window: int | None = None,
    deadline_slack: float = 1.0,
    wait: Literal["all", "minimal"] = "all",
    rule: Rule = "paper",
    families: Iterable[str] = FAMILIES,
    workers: int | None = None,
) -> Selection:
    """Play every scheme and parameter of the grids on recorded answer times.

    Parameters
    ----------
    delays : float array > 0, shape (rounds, n)
        Answer times in seconds; inf is a worker that does not answer in that round.
    jobs : int >= 1, optional
        J; ``rounds - max_delay`` when omitted, the same for every scheme.
    alpha : float >= 0
        Seconds that a load of one whole job takes a worker longer.
    reference_load : float >= 0
        Load at which the times were recorded.
    max_delay : int >= 1
        Schemes decode within this many rounds: B <= max_delay for SR-SGC, and W - 1 + B <= max_delay for M-SGC, the
        authors' grids. Where job t + M begins from the result of job t, take max_delay = M for M-SGC and below M for
        SR-SGC.
    max_window : int >= 2, optional
        Largest W; the number of jobs when omitted.
    deadline_slack : float >= 0
        mu.
    wait : {"all", "minimal"}
        What the master does beyond its deadline.
    rule : {"paper", "exact"}
        Which patterns it accepts.
    families : iterable of str
        Which of `FAMILIES`.
    workers : int >= 1, optional
        Threads; the number of cores when omitted. Results do not depend on it.

    Raises
    ------
    ValueError
        When an argument is out of its range, or the record is too short.

    Notes
    -----
    256 workers and 60 rounds are 30,976 parameters of SR-SGC and 1,024 of M-SGC.

    Examples
    --------
    >>> delays = np.random.default_rng(0).exponential(size=(30, 8)) + 1
    >>> selection = select_parameters(delays, alpha=0.1, families=["uncoded", "M-SGC"])
    >>> selection.best()[0].family
    'M-SGC'
    """
    table = check_delays(delays)
    if len(table) == 0:
        raise ValueError("delays: has no round")
    n, longest = table.shape[1], whole_number(max_delay, "max_delay", 1)
    if jobs is None and len(table) <= longest:
        raise ValueError(f"delays: {len(table)} rounds are not more than max_delay = {longest}")
    count = len(table) - longest if jobs is None else whole_number(jobs, "jobs", 1)
    widest = max(count, 2) if max_window is None else whole_number(max_window, "max_window", 2)
    threads = (os.cpu_count() or 1) if workers is None else whole_number(workers, "workers", 1)
    for name, number in (("alpha", alpha), ("reference_load", reference_load), ("deadline_slack", deadline_slack)):
        if isinstance(number, bool) or not 0 <= number < np.inf:
            raise ValueError(f"{name}: {number!r} is not a finite number >= 0")
    if wait not in ("all", "minimal"):
        raise ValueError(f"wait: {wait!r} is neither 'all' nor 'minimal'")
    if rule not in ("paper", "exact"):
        raise ValueError(f"rule: {rule!r} is neither 'paper' nor 'exact'")
    chosen = list(dict.fromkeys(families))
    for name in chosen:
        if name not in FAMILIES:
            raise ValueError(f"families: {name!r} is not one of {', '.join(FAMILIES)}")
    most = max(_longest_delay(name, longest, widest) for name in chosen) if chosen else 0
    if count + most > len(table):
        raise ValueError(f"jobs: {count} take up to {count + most} rounds, more than the {len(table)} recorded")
    play = _Player(table, count, float(alpha), float(reference_load), float(deadline_slack), wait, rule, threads)
    return Selection(count, {name: play.family(name, n, longest, widest) for name in chosen})


def selective_repeat_grid(n_workers: int, max_delay: int, max_window: int) -> list[tuple[int, int, int]]:
    """The (B, W, lambda) of SR-SGC: lambda = 1..n, B = 1..max_delay, W = B + 1, 2 B + 1, ... <= max_window."""
    return [
        (burst, window, spread)
        for spread in range(1, n_workers + 1)
        for burst in range(1, max_delay + 1)
        for window in range(burst + 1, max_window + 1, burst)
    ]


def multiplexed_grid(n_workers: int, max_delay: int, max_window: int) -> list[tuple[int, int, int]]:
    """The (B, W, lambda) of M-SGC: lambda = 1..n, W = 2..max_window - 1, B = 1..W - 1, W - 1 + B <= max_delay."""
    return [
        (burst, window, spread)
        for spread in range(1, n_workers + 1)
        for window in range(2, max_window)
        for burst in range(1, window)
        if window - 1 + burst <= max_delay
    ]


def _longest_delay(family: str, max_delay: int, max_window: int) -> int:
    if family.startswith("SR-SGC"):
        return min(max_delay, max_window - 1)
    return max_delay - 1 if family.startswith("M-SGC") else 0


class _Player:
    """The families on one record."""

    def __init__(
        self,
        delays: NDArray[np.float64],
        jobs: int,
        alpha: float,
        reference: float,
        slack: float,
        wait: Wait,
        rule: Rule,
        threads: int,
    ) -> None:
        self._delays, self._jobs, self._alpha, self._reference = delays, jobs, alpha, reference
        self._slack, self._wait, self._rule, self._threads = slack, wait, rule, threads
        self._options: dict[str, Any] = {"deadline_slack": slack, "wait": wait}

    def family(self, name: str, n: int, max_delay: int, max_window: int) -> _Family:
        """One family on its grid."""
        repetition, options = name.endswith("-Rep"), self._options
        if name.startswith("event-driven"):
            return self._event_driven(name, n)
        if name == "uncoded":
            return self._play(
                [(0, 1, 1, 0, 0)], [1 / n], master.ONE_ROUND, master.EVERYBODY, False, lambda *_: Uncoded(n)
            )
        if name.startswith("GC"):
            grid = [(s, 1, 1, 0, 0) for s in range(1, n)]
            return self._play(
                grid, [float(code_load(n, s, repetition)) for s, *_ in grid], master.ONE_ROUND,
                master.GROUPS if repetition else master.COUNT, repetition,
                lambda s, *_: GradientCoding(n, s, repetition=repetition, **options),
            )  # fmt: skip
        exact = self._rule == "exact"
        if name.startswith("SR-SGC"):
            rule: Any = "exact" if exact else "bursty" if repetition else "exempting"
            grid = [
                (selective_repeat_stragglers(b, w, spread), b, w, spread, b)
                for b, w, spread in selective_repeat_grid(n, max_delay, max_window)
                if selective_repeat_stragglers(b, w, spread) < n
            ]
            return self._play(
                grid, [float(code_load(n, s, repetition)) for s, *_ in grid], master.SELECTIVE_REPEAT,
                master.EXACT if exact else master.BURSTY if repetition else master.EXEMPTING, repetition,
                lambda _, b, w, spread, __: SelectiveRepeat(
                    n, b, w, spread, rule=rule, repetition=repetition, **options
                ),
            )  # fmt: skip
        of_exact: Any = "exact" if exact else "bursty"

        def multiplexed(s: int, b: int, w: int, spread: int, delay: int) -> Multiplexed:
            return Multiplexed(n, b, w, spread, rule=of_exact, repetition=repetition, **options)

        grid = [
            (spread if repetition and spread < n else 0, b, w, spread, w - 2 + b)
            for b, w, spread in multiplexed_grid(n, max_delay, max_window)
        ]
        return self._play(
            grid, [multiplexed(*row).load for row in grid], master.MULTIPLEXED,
            master.EXACT if exact else master.BURSTY, repetition, multiplexed,
        )  # fmt: skip

    def _play(
        self,
        grid: Sequence[tuple[int, int, int, int, int]],
        loads: Sequence[float],
        kind: int,
        rule: int,
        repetition: bool,
        schemes: Any,
    ) -> _Family:
        parameters = np.array(grid, dtype=np.int64).reshape(-1, 5)
        of_load = np.array(loads, dtype=np.float64)
        totals, waits = np.empty(len(grid)), np.empty(len(grid), dtype=np.int64)
        # Groups depend on s; without them parts of about equal size go to the threads.
        keys = parameters[:, 0] if repetition else np.arange(len(grid)) * 4 * self._threads // max(len(grid), 1)
        n, shifts = self._delays.shape[1], self._alpha * (of_load - self._reference)

        def play(key: int) -> None:
            rows = np.flatnonzero(keys == key)
            grouped = repetition and not (kind == master.MULTIPLEXED and key == 0)
            here, waited = np.empty(rows.size), np.empty(rows.size, dtype=np.int64)
            master.play_many(
                kind, rule, parameters[rows], groups_of(n, int(key), grouped), self._delays, self._jobs,
                shifts[rows], self._slack, wait_number(self._wait), here, waited,
            )  # fmt: skip
            totals[rows], waits[rows] = here, waited

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(play, np.unique(keys)))
        return _Family(parameters, of_load, totals, waits, schemes)

    def _event_driven(self, name: str, n: int) -> _Family:
        """S = 0..n - 1, or groups of 1..n workers, each number of groups once."""
        if name == "event-driven GC":
            made = [EventDriven(n, s) for s in range(n)]
        else:
            sizes = {n // size: size for size in range(n, 0, -1)}
            made = [EventDriven.repeating(n, size) for size in sorted(sizes.values())]
        totals, durations, late = np.empty(len(made)), np.empty(self._jobs), np.empty(self._jobs, dtype=np.int64)
        for place, scheme in enumerate(made):
            groups = np.empty(0, dtype=np.int64) if scheme.groups is None else scheme.groups
            shift = self._alpha * (scheme.load - self._reference)
            bad = master.play_event_driven(
                self._delays[: self._jobs], shift, scheme.max_stragglers, groups, durations, late
            )
            totals[place] = np.nan if bad >= 0 else np.cumsum(durations)[-1]
        parameters = np.zeros((len(made), 5), dtype=np.int64)
        parameters[:, 0] = [
            scheme.max_stragglers if scheme.groups is None else int(np.bincount(scheme.groups).min()) - 1
            for scheme in made
        ]
        loads = np.array([scheme.load for scheme in made])
        of_s = dict(zip(parameters[:, 0].tolist(), made, strict=True))
        return _Family(parameters, loads, totals, np.zeros(len(made), np.int64), lambda s, *_: of_s[s])
