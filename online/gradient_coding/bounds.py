"""Loads, what no scheme can beat, and how many patterns of stragglers can be decoded.

Source: M. N. Krishnan, M. R. Ebrahimi, A. Khisti, "Sequential Gradient Coding For Straggler Mitigation",
arXiv:2211.13802 (the schemes; that they decode under the bursty and the arbitrary model). The lower bounds, the
optimality for lambda in {n - 1, n} and the counts are derived here.
"""

from __future__ import annotations

import math
from fractions import Fraction

from algos.contracts import whole_number
from algos.guarantees import guarantee
from online.gradient_coding.schemes import GradientCoding, Multiplexed, SelectiveRepeat

__all__ = [
    "arbitrary_load_bound",
    "arbitrary_patterns",
    "bursty_load_bound",
    "decodable_patterns",
    "gilbert_elliott_burst",
    "gilbert_elliott_share",
    "gradient_coding_load",
    "m_sgc_load",
    "m_sgc_load_bound",
    "order_statistic_mean",
    "pareto_order_statistic_mean",
    "partial_straggler_load",
    "repetition_mean",
    "sr_sgc_load",
]


@guarantee(
    "Tandon et al., ICML 2017: a gradient code in every round",
    kind="identity",
    algorithm="GradientCoding",
    evidence="textbook",
)
def gradient_coding_load(n_workers: int, max_stragglers: int) -> Fraction:
    """(s + 1) / n decodes job t in round t with at most s stragglers a round; under the bursty model s = lambda.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s.
    """
    return GradientCoding(n_workers, max_stragglers).exact_load


@guarantee("Krishnan et al., arXiv:2211.13802: SR-SGC", kind="identity", algorithm="SelectiveRepeat", evidence="code")
def sr_sgc_load(n_workers: int, burst: int, window: int, max_stragglers: int) -> Fraction:
    """(ceil(B lambda / (W - 1 + B)) + 1) / n decodes job t by round t + B under the (B, W, lambda)-bursty model.

    Parameters
    ----------
    n_workers, burst, window, max_stragglers : int
        n, B, W with W - 1 a multiple of B, lambda in 0..n.
    """
    return SelectiveRepeat(n_workers, burst, window, max_stragglers).exact_load


@guarantee("Krishnan et al., arXiv:2211.13802: M-SGC", kind="identity", algorithm="Multiplexed", evidence="code")
def m_sgc_load(n_workers: int, burst: int, window: int, max_stragglers: int) -> Fraction:
    """(lambda + 1)(W - 1 + B) / (n (B + (W - 1)(lambda + 1))), or (W - 1 + B) / (n (W - 1)) for lambda = n.

    Job t decodes by round t + W - 2 + B under the (B, W, lambda)-bursty model and under the (B, W + B - 1,
    lambda)-arbitrary one.

    Parameters
    ----------
    n_workers, burst, window, max_stragglers : int
        n, B in 1..W - 1, W, lambda in 0..n.
    """
    return Multiplexed(n_workers, burst, window, max_stragglers).exact_load


@guarantee("derived here from M-SGC", kind="upper", algorithm="Multiplexed", evidence="derived")
def m_sgc_load_bound(n_workers: int) -> Fraction:
    """The load of M-SGC is at most 2 / n, and at most twice the least possible.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    """
    return Fraction(2, whole_number(n_workers, "n_workers", 1))


@guarantee("derived here: the same workers straggle B of W - 1 + B rounds", kind="lower", algorithm="Multiplexed",
           evidence="derived")  # fmt: skip
def bursty_load_bound(n_workers: int, burst: int, window: int, max_stragglers: int) -> Fraction:
    """Any scheme of finite delay under the bursty model has a load of (W - 1 + B) / (n (W - 1 + B) - B lambda) or more.

    Parameters
    ----------
    n_workers, burst, window, max_stragglers : int
        n, B in 1..W - 1, W, lambda in 0..n.
    """
    n, period = whole_number(n_workers, "n_workers", 1), window - 1 + burst
    _check(n, burst, window, max_stragglers)
    return Fraction(period, n * period - burst * max_stragglers)


@guarantee("derived here: the same workers straggle N of W' rounds", kind="lower", algorithm="Multiplexed",
           evidence="derived")  # fmt: skip
def arbitrary_load_bound(n_workers: int, times: int, window: int, max_stragglers: int) -> Fraction:
    """Any scheme of finite delay under the arbitrary model has a load of W' / (n W' - N lambda') or more.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    times, window : int, 1 <= times < window
        N, W': each worker straggles at most N times in W' rounds.
    max_stragglers : int in 0..n
        lambda'.
    """
    n = whole_number(n_workers, "n_workers", 1)
    if not 1 <= whole_number(times, "times", 1) < whole_number(window, "window", 2):
        raise ValueError(f"times: {times} is outside 1..window - 1 = {window - 1}")
    if whole_number(max_stragglers, "max_stragglers", 0) > n:
        raise ValueError(f"max_stragglers: {max_stragglers} is above n_workers = {n}")
    return Fraction(window, n * window - times * max_stragglers)


@guarantee("derived here", kind="identity", algorithm="Multiplexed", evidence="derived")
def arbitrary_patterns(n_workers: int, burst: int, window: int, max_stragglers: int) -> int:
    """Patterns of W - 1 + B rounds with at most lambda stragglers, each in at most B rounds.

    sum_{j <= lambda} C(n, j) (sum_{k=1..B} C(W - 1 + B, k))^j.

    Parameters
    ----------
    n_workers, burst, window, max_stragglers : int
        n, B in 1..W - 1, W, lambda in 0..n.
    """
    _check(n_workers, burst, window, max_stragglers)
    ways = sum(math.comb(window - 1 + burst, k) for k in range(1, burst + 1))
    return sum(math.comb(n_workers, j) * ways**j for j in range(max_stragglers + 1))


@guarantee("derived here", kind="identity", algorithm="Multiplexed", evidence="derived")
def decodable_patterns(n_workers: int, burst: int, window: int) -> int:
    """Patterns of a job's W - 1 + B rounds that M-SGC with lambda = n decodes: (sum_{k=0..B} C(W - 1 + B, k))^n.

    Parameters
    ----------
    n_workers, burst, window : int
        n, B in 1..W - 1, W.
    """
    _check(n_workers, burst, window, 0)
    return int(sum(math.comb(window - 1 + burst, k) for k in range(burst + 1)) ** n_workers)


@guarantee("order statistics of exponential times", kind="identity", algorithm="EventDriven", evidence="textbook")
def order_statistic_mean(n_workers: int, max_stragglers: int, start: float, rate: float) -> float:
    """Mean round of event-driven GC with times a + Exp(rate): a + (H_n - H_s) / rate.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s.
    start : float >= 0
        a, seconds, with what the load adds.
    rate : float > 0
        Of the exponential part, 1 / seconds.
    """
    n, s = whole_number(n_workers, "n_workers", 1), whole_number(max_stragglers, "max_stragglers", 0)
    if s > n - 1 or not start >= 0 or not rate > 0:
        raise ValueError(f"needs max_stragglers < n_workers, start >= 0, rate > 0, got {s}, {start!r}, {rate!r}")
    return start + math.fsum(1 / k for k in range(s + 1, n + 1)) / rate


@guarantee("order statistics of exponential times", kind="identity", algorithm="EventDriven", evidence="textbook")
def repetition_mean(n_groups: int, group_size: int, start: float, rate: float) -> float:
    """Mean round of event-driven repetition with times a + Exp(rate), G groups of k: a + H_G / (k rate).

    Parameters
    ----------
    n_groups, group_size : int >= 1
        G, k.
    start : float >= 0
        a, seconds.
    rate : float > 0
        1 / seconds.
    """
    count, k = whole_number(n_groups, "n_groups", 1), whole_number(group_size, "group_size", 1)
    return order_statistic_mean(count, 0, start, k * rate)


@guarantee("order statistics of Pareto times", kind="identity", algorithm="EventDriven", evidence="textbook")
def pareto_order_statistic_mean(n_workers: int, max_stragglers: int, scale: float, tail: float) -> float:
    """Mean of the (n - s)-th of n Pareto times: x_m G(n + 1) G(s + 1 - 1/nu) / (G(s + 1) G(n + 1 - 1/nu)).

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s.
    scale : float > 0
        x_m, the least time.
    tail : float > 1
        nu: P(X > x) = (x_m / x)^nu.
    """
    n, s = whole_number(n_workers, "n_workers", 1), whole_number(max_stragglers, "max_stragglers", 0)
    if s > n - 1 or not scale > 0 or not tail > 1:
        raise ValueError(f"needs max_stragglers < n_workers, scale > 0, tail > 1, got {s}, {scale!r}, {tail!r}")
    log = math.lgamma
    exponent = log(n + 1) + log(s + 1 - 1 / tail) - log(s + 1) - log(n + 1 - 1 / tail)
    return scale * math.exp(exponent)


@guarantee("Tandon et al., ICML 2017, partial stragglers", kind="upper", algorithm="GradientCoding",
           evidence="derived")  # fmt: skip
def partial_straggler_load(n_workers: int, max_stragglers: int, slowdown: float) -> float:
    """Stragglers at most rho times slower: load rho (s + 1) / (n (s + rho)).

    The share (s + 1) / (s + rho) of the data is computed first and without a code, the rest coded: in the time that
    others take for both, a straggler ends its uncoded part.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s.
    slowdown : float >= 1
        rho.
    """
    load = GradientCoding(n_workers, max_stragglers).exact_load
    if not slowdown >= 1:
        raise ValueError(f"slowdown: {slowdown!r} is below 1")
    return float(slowdown * load / (max_stragglers + slowdown)) if math.isfinite(slowdown) else float(load)


@guarantee("chains of two states", kind="identity", algorithm="GilbertElliott", evidence="textbook")
def gilbert_elliott_share(enter: float, leave: float) -> float:
    """In the long run a share p / (p + q) of the workers straggles.

    Parameters
    ----------
    enter, leave : float in [0, 1], not both 0
        p and q.
    """
    if not (0 <= enter <= 1 and 0 <= leave <= 1 and enter + leave > 0):
        raise ValueError(f"enter, leave: {enter!r}, {leave!r} must be in [0, 1], not both 0")
    return enter / (enter + leave)


@guarantee("chains of two states", kind="identity", algorithm="GilbertElliott", evidence="textbook")
def gilbert_elliott_burst(leave: float) -> float:
    """Bursts have a geometric length with mean 1 / q.

    Parameters
    ----------
    leave : float in (0, 1]
        q.
    """
    if not 0 < leave <= 1:
        raise ValueError(f"leave: {leave!r} is outside (0, 1]")
    return 1 / leave


def _check(n: int, burst: int, window: int, spread: int) -> None:
    Multiplexed(n, burst, window, spread)
