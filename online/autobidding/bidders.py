"""Bidders inside a channel: one auction after the other, a budget, a target for the return, or both.

A bidder sees an auction's value v, bids, and wins when its bid reaches the price d, the highest competing bid; with
second prices it pays d, with first prices its bid. For the Lagrangian with weight 1 on value, alpha on money (0
maximises value, 1 value less payment), lambda for the return and mu for the budget the best bid is (1 + lambda) v /
(alpha + gamma lambda + mu).

Sources: adaptive pacing, S. R. Balseiro, Y. Gur, Management Science 2019; dual mirror descent, S. Balseiro, H. Lu,
V. Mirrokni, Operations Research 2023; pacing for a return, Z. Feng, S. Padmanabhan, D. Wang, WWW 2023; ways to combine
two pacers, S. R. Balseiro et al., ICML 2024. All from secondary knowledge, as the project's specification states them.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.arrays import Probabilities
from algos.contracts import NonNegative, Trajectory, check_generator, checkpoint_rounds, description, whole_number

__all__ = [
    "AdaptivePacing",
    "AuctionBidder",
    "DualMirrorDescent",
    "PIDPacing",
    "RoSPacing",
    "TwoConstraintPacing",
    "UniformMultiplier",
]

CONSTANT, BUDGET, MIRROR, RETURN, COUPLED, LEAST, SEQUENTIAL, PID = range(8)

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Given = Annotated[Positive | None, Field(kw_only=True)]
_MOST_BID = 1e12


class BidderNumbers(NamedTuple):
    """What the loop must know of a bidder."""

    kind: int
    rate: float  # budget per auction, inf without one
    target: float  # gamma
    money_weight: float  # alpha
    multiplier: float  # of a constant or PID bidder
    budget_step: float
    return_step: float
    cap: float  # of mu
    start: float  # of mu
    buffer: float  # of the strict return pacer, inf where it does not wait
    entropy: bool
    gains: tuple[float, float, float]  # of PID


class AuctionBidder:
    """What bidders have in common."""

    def numbers(self, horizon: int) -> BidderNumbers:
        """The parameters of the loop."""
        raise NotImplementedError

    def _ideal(self, horizon: int) -> NDArray[np.float64]:
        return np.empty(0)

    def run(
        self,
        stream: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        pricing: Literal["second-price", "first-price"] = "second-price",
        trace: bool = False,
    ) -> Trajectory:
        """Bid in a stream of auctions.

        Parameters
        ----------
        stream : pair of arrays (values, prices), or an object with ``stream(n, rng)`` that draws them
            Values >= 0 and highest competing bids >= 0.
        horizon : int >= 0
            T, auctions.
        rng : numpy.random.Generator
            Draws the stream unless `world` is given.
        world : numpy.random.Generator, optional
            The stream's own.
        checkpoints : array of int in 1..horizon, optional
            As for `algos.contracts.checkpoint_rounds`.
        pricing : {"second-price", "first-price"}
            What a win costs: the price, or the bid.
        trace : bool
            True adds ``bids``, ``payments`` and ``multipliers`` (lambda and mu before each auction), T rows.

        Returns
        -------
        Trajectory
            Metrics, sums so far: ``conversion`` (value won), ``spend``, ``roi_slack``, and ``regret`` against the best
            purchase of all auctions of the stream with hindsight (`algos.knapsack.knapsack`, second prices) at the end,
            in proportion before. Outcome: ``conversion``, ``spend``, ``roi``, ``optimum``, ``wins``.
        """
        auctions = whole_number(horizon, "horizon", 0)
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        drawn = stream.stream(auctions, nature) if hasattr(stream, "stream") else stream
        values, prices = (
            _stream(name, array, auctions) for name, array in zip(("values", "prices"), drawn, strict=True)
        )
        if pricing not in ("second-price", "first-price"):
            raise ValueError(f"pricing: {pricing!r} is neither 'second-price' nor 'first-price'")
        numbers = self.numbers(max(auctions, 1))
        bids, payments, path = np.zeros(auctions), np.zeros(auctions), np.zeros((auctions, 2))
        won = np.zeros(auctions, dtype=np.uint8)
        first = pricing == "first-price"
        _bid(numbers, values, prices, first, self._ideal(max(auctions, 1)), bids, payments, won, path)
        return self._measure(numbers, values, prices, (bids, payments, won, path), checkpoints, trace)

    def _measure(
        self,
        numbers: BidderNumbers,
        values: NDArray[np.float64],
        prices: NDArray[np.float64],
        played: tuple[NDArray[Any], ...],
        checkpoints: ArrayLike | None,
        trace: bool,
    ) -> Trajectory:
        from algos.knapsack import knapsack

        bids, payments, won, path = played
        auctions = values.size
        marks = checkpoint_rounds(auctions, checkpoints)
        gained, paid = np.cumsum(values * won), np.cumsum(payments)
        best = knapsack(values, prices, numbers.target, numbers.rate * auctions if auctions else 0.0)
        total, spent = (float(gained[-1]), float(paid[-1])) if auctions else (0.0, 0.0)
        outcome: dict[str, Any] = {
            "conversion": total,
            "spend": spent,
            "roi": total / spent if spent > 0 else math.inf,
            "optimum": best.value,
            "wins": int(won.sum()),
        }
        if trace:
            outcome |= {"bids": bids, "payments": payments, "multipliers": path}
        metrics = {
            "conversion": gained[marks - 1],
            "spend": paid[marks - 1],
            "roi_slack": gained[marks - 1] - numbers.target * paid[marks - 1],
            "regret": marks / max(auctions, 1) * best.value - gained[marks - 1],
        }
        return Trajectory(marks, metrics, outcome)


def _numbers(kind: int, **given: Any) -> BidderNumbers:
    plain: dict[str, Any] = {
        "rate": math.inf,
        "target": 0.0,
        "money_weight": 0.0,
        "multiplier": 1.0,
        "budget_step": 0.0,
        "return_step": 0.0,
        "cap": math.inf,
        "start": 0.0,
        "buffer": math.inf,
        "entropy": False,
        "gains": (0.0, 0.0, 0.0),
    }
    return BidderNumbers(kind=kind, **(plain | given))


@description
class UniformMultiplier(AuctionBidder):
    """Bid k v, always; with second prices the rule of the best purchase, k = 1 / threshold.

    With first prices and no other bidder's reaction the return is 1 / k exactly.

    Parameters
    ----------
    multiplier : float > 0
        k.
    budget_rate : float > 0, optional
        Budget per auction; bids are cut to what is left.
    roi_target : float >= 0
        gamma, for the measures alone.

    Examples
    --------
    >>> bidder = UniformMultiplier(2.0)
    >>> run = bidder.run(([1.0, 1.0], [1.5, 2.5]), horizon=2, rng=np.random.default_rng(0))
    >>> run.outcome["conversion"], run.outcome["spend"]
    (1.0, 1.5)
    """

    multiplier: Positive
    budget_rate: Given = None
    roi_target: Annotated[NonNegative, Field(kw_only=True)] = 0.0

    def numbers(self, horizon: int) -> BidderNumbers:
        """A constant."""
        return _numbers(CONSTANT, multiplier=self.multiplier, target=self.roi_target, rate=_rate(self.budget_rate))


@description
class AdaptivePacing(AuctionBidder):
    """Budget pacing: bid v / (1 + mu), and move mu by steps of the overspend.

    Parameters
    ----------
    budget_rate : float > 0
        rho, budget per auction; bids are cut to what is left, so that the budget is never exceeded.
    step : float > 0
        eps; 1 / sqrt(T) when omitted.
    start, cap : float >= 0
        The first multiplier and the largest one.
    value_maximizer : bool
        True bids v / mu, the best where money counts only through the budget.
    """

    budget_rate: Positive
    step: Given = None
    start: Annotated[NonNegative, Field(kw_only=True)] = 0.0
    cap: Annotated[Positive, Field(kw_only=True)] = 1e6
    value_maximizer: bool = Field(default=False, kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> AdaptivePacing:
        if self.start > self.cap:
            raise ValueError(f"start = {self.start}: must be at most the cap, {self.cap:g}")
        return self

    def numbers(self, horizon: int) -> BidderNumbers:
        """Of budget pacing."""
        return _numbers(
            BUDGET,
            rate=self.budget_rate,
            money_weight=0.0 if self.value_maximizer else 1.0,
            budget_step=_step(self.step, horizon),
            start=self.start,
            cap=self.cap,
        )


@description
class DualMirrorDescent(AuctionBidder):
    """Take what is worth its price in budget: v > (1 or 0 + mu) d, and move mu by a mirror step.

    Parameters
    ----------
    budget_rate : float > 0
        rho, budget per auction; auctions that would overdraw it are skipped.
    mirror : {"euclidean", "entropy"}
        Projected gradient steps, or multiplicative ones, which keep mu > 0.
    step : float > 0
        eta; 1 / sqrt(T) when omitted.
    start : float >= 0
        mu_1, > 0 with the entropy.
    value_maximizer : bool
        True takes f = v, False f = v - d.
    """

    budget_rate: Positive
    mirror: Literal["euclidean", "entropy"] = "euclidean"
    step: Given = None
    start: Annotated[NonNegative, Field(kw_only=True)] = 1.0
    value_maximizer: bool = Field(default=True, kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> DualMirrorDescent:
        if self.mirror == "entropy" and self.start == 0.0:
            raise ValueError("start = 0: must be > 0 with the entropy, which would keep it at 0")
        return self

    def numbers(self, horizon: int) -> BidderNumbers:
        """Of dual mirror descent."""
        return _numbers(
            MIRROR,
            rate=self.budget_rate,
            money_weight=0.0 if self.value_maximizer else 1.0,
            budget_step=_step(self.step, horizon),
            start=self.start,
            entropy=self.mirror == "entropy",
        )


@description
class RoSPacing(AuctionBidder):
    """Pacing for a return: bid (1 + lambda) v / (gamma lambda), and multiply lambda by exp(-surplus / sqrt(T)).

    Parameters
    ----------
    roi_target : float > 0
        gamma.
    strict : bool
        True bids v / gamma until the surplus exceeds sqrt(T) log T, so that the return is kept at the end.
    step : float > 0
        1 / sqrt(T) when omitted.
    """

    roi_target: Positive
    strict: bool = Field(default=False, kw_only=True)
    step: Given = None

    def numbers(self, horizon: int) -> BidderNumbers:
        """Of return pacing."""
        buffer = math.sqrt(horizon) * math.log(max(horizon, 2)) if self.strict else math.inf
        return _numbers(RETURN, target=self.roi_target, return_step=_step(self.step, horizon), buffer=buffer)


@description
class TwoConstraintPacing(AuctionBidder):
    """Pacing for a budget and a return at once.

    Parameters
    ----------
    budget_rate : float > 0
        rho, budget per auction; bidding ends when it is used up.
    roi_target : float > 0
        gamma.
    combine : {"coupled", "least", "sequential"}
        One bid of both multipliers, (1 + lambda) v / (gamma lambda + mu); the least of the bids of two pacers that know
        nothing of each other, as good in the literature; or one pacer's bid as the other's value, which can violate the
        return badly.
    step : float > 0
        1 / sqrt(T) when omitted.
    """

    budget_rate: Positive
    roi_target: Positive
    combine: Literal["coupled", "least", "sequential"] = "coupled"
    step: Given = None

    def numbers(self, horizon: int) -> BidderNumbers:
        """Of both."""
        step = _step(self.step, horizon)
        return _numbers(
            {"coupled": COUPLED, "least": LEAST, "sequential": SEQUENTIAL}[self.combine],
            rate=self.budget_rate,
            target=self.roi_target,
            budget_step=step,
            return_step=step,
        )


@description
class PIDPacing(AuctionBidder):
    """Steer a multiplier by the error against an ideal spending curve, as industry does; no guarantee is known.

    k <- k exp(kp e + ki sum e + kd (e - e')), e the error relative to the budget, within [1/2, 2] times the running
    mean.

    Parameters
    ----------
    budget_rate : float > 0
        rho, budget per auction, never exceeded.
    ideal : float vector in [0, 1], optional
        Share of the budget that should be spent after each of equally many auctions, not decreasing, at least two
        numbers; the first is before any auction. A straight line over the auctions, which follows the traffic, when
        omitted.
    gains : (kp, ki, kd), each >= 0
        Of the error, its sum and its change. The update multiplies, and so sums errors up by itself: with ki > 0 it
        swings.
    start : float > 0
        The first k.
    update_every : int >= 1
        Auctions between two updates.
    """

    budget_rate: Positive
    ideal: Probabilities | None = None
    gains: tuple[NonNegative, NonNegative, NonNegative] = Field(default=(0.1, 0.0, 0.5), kw_only=True)
    start: Annotated[Positive, Field(kw_only=True)] = 1.0
    update_every: Annotated[int, Field(ge=1, kw_only=True)] = 50

    def numbers(self, horizon: int) -> BidderNumbers:
        """Of the controller; the buffer holds how often it acts."""
        return _numbers(
            PID, rate=self.budget_rate, multiplier=self.start, gains=self.gains, buffer=float(self.update_every)
        )

    @model_validator(mode="after")
    def _rises(self) -> PIDPacing:
        if self.ideal is not None and (self.ideal.size < 2 or np.any(np.diff(self.ideal) < 0)):
            raise ValueError("ideal: must be at least two numbers that do not decrease")
        return self

    def _ideal(self, horizon: int) -> NDArray[np.float64]:
        """Share of the budget that should be spent before each auction; shape (T + 1,)."""
        at = np.linspace(0.0, 1.0, horizon + 1)
        return at if self.ideal is None else np.interp(at, np.linspace(0.0, 1.0, self.ideal.size), self.ideal)


def _rate(given: float | None) -> float:
    return math.inf if given is None else given


def _step(given: float | None, horizon: int) -> float:
    return 1.0 / math.sqrt(horizon) if given is None else given


def _stream(name: str, given: ArrayLike, auctions: int) -> NDArray[np.float64]:
    found = np.ascontiguousarray(given, dtype=np.float64)
    if found.ndim != 1 or found.size < auctions or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(f"{name}: must be at least {auctions} finite numbers >= 0, got shape {found.shape}")
    return found[:auctions]


@njit(cache=True, nogil=True, error_model="numpy")
def _bid(numbers, values, prices, first_price, ideal, bids, payments, won, path):
    """Bid in all auctions; lambda starts at 1."""
    lam, mu, left, surplus = 1.0, numbers.start, numbers.rate * values.size, 0.0
    k, total_error, last_error, mean_k, updates = numbers.multiplier, 0.0, 0.0, numbers.multiplier, 1.0
    budget = left
    for t in range(values.size):
        v, d = values[t], prices[t]
        path[t, 0], path[t, 1] = lam, mu
        every = int(numbers.buffer) if numbers.kind == PID else 1
        if numbers.kind == PID and t > 0 and t % every == 0:
            error = (ideal[t] - (budget - left) / budget) / max(ideal[t], 1e-12)
            total_error += error
            push = numbers.gains[0] * error + numbers.gains[1] * total_error + numbers.gains[2] * (error - last_error)
            last_error = error
            k = min(max(k * math.exp(min(max(push, -5.0), 5.0)), 0.5 * mean_k), 2.0 * mean_k)
            updates += 1.0
            mean_k += (k - mean_k) / updates
        bid = 0.0 if numbers.kind == MIRROR else _wish(numbers, v, lam, mu, k, surplus)
        if numbers.kind == MIRROR:
            take = v > (numbers.money_weight + mu) * d and d <= left
            bid = d if take else 0.0
        else:
            bid = min(bid, left, _MOST_BID)
            take = bid >= d and (v > 0.0 or d == 0.0)
        payment = 0.0
        if take:
            payment = bid if first_price else d
            won[t] = 1
            left -= payment
            surplus += v - numbers.target * payment
        bids[t], payments[t] = bid, payment
        if numbers.budget_step > 0.0:
            over = payment - numbers.rate
            if numbers.entropy:
                mu *= math.exp(numbers.budget_step * over)
            else:
                mu = min(max(mu + numbers.budget_step * over, 0.0), numbers.cap)
        if numbers.return_step > 0.0:
            gain = (v if take else 0.0) - numbers.target * payment
            lam *= math.exp(-numbers.return_step * gain)


@njit(cache=True, nogil=True, error_model="numpy")
def _wish(numbers, v, lam, mu, k, surplus):
    """The bid before it is cut to the budget."""
    kind, target = numbers.kind, numbers.target
    if kind in (CONSTANT, PID):
        return k * v
    if kind == BUDGET:
        price = numbers.money_weight + mu
        return v / price if price > 0.0 else (_MOST_BID if v > 0.0 else 0.0)
    if kind == RETURN:
        if surplus <= numbers.buffer < np.inf:
            return v / target
        return (1.0 + lam) / (target * lam) * v
    if kind == COUPLED:
        return (1.0 + lam) / (target * lam + mu) * v
    for_return = (1.0 + lam) / (target * lam) * v
    if kind == LEAST:
        for_budget = v / mu if mu > 0.0 else (_MOST_BID if v > 0.0 else 0.0)
        return min(for_return, for_budget)
    return for_return / (1.0 + mu)
