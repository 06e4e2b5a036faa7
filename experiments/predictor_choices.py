"""What policies with predictions are told: true predictions with noise, registered predictors by name, or one's own.

A name is ``PopularityArrivals``, or with parameters ``AdversarialBits:budget=100,kind_of_error=keep``, where the value
may be a predictor itself: ``ThresholdBits:arrivals=LognormalArrivals(sigma=5)``. A predictor with a ``cache_size`` gets
that of the policy unless the name gives another.

Predictors of bits whose truth is the phase bits (`PhaseBits`) are for policies that read phase bits, those with another
truth for policies that read discard bits, and those without (`ConstantBits`, `PLECOBits`) for both.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.optimal_paging import next_use
from algos.predictions import arrival_error
from experiments import registry
from online.paging.policy import Prediction
from simulators import DiscardBits, LognormalArrivals, NextArrivals, PhaseBits, Trace

__all__ = [
    "PredictorChoice",
    "Told",
    "errors_of",
    "flipped_bits",
    "named_predictor",
    "noisy_arrivals",
    "own_predictions",
    "split_names",
    "told_to",
]


@dataclasses.dataclass(frozen=True)
class PredictorChoice:
    """One predictor, or the trace's own predictions.

    Parameters
    ----------
    name : str
        What cells call it.
    label : str
        What plots and tables call it.
    reading : set of "discard bits", "phase bits" or "next arrivals"
        As what policies may read it.
    build : callable, optional
        ``build(cache_size)`` returns the predictor; None stands for the trace's own predictions.
    """

    name: str
    label: str
    reading: frozenset[Prediction]
    build: Callable[[int], Any] | None

    def predict(self, kind: Prediction, trace: Trace, cache_size: int, rng: np.random.Generator) -> NDArray[Any]:
        """The bits or times, shape (n,)."""
        if self.build is None:
            own = trace.arrivals if kind == "next arrivals" else trace.bits
            if own is None:
                raise ValueError(f"{trace.name}: has no predictions of its own")
            return own
        predicted: NDArray[Any] = self.build(cache_size).predict(trace, rng)
        return predicted


Told = dict[Prediction, PredictorChoice]
"""What a policy is told: a choice for each kind of prediction that it reads; empty where it reads none."""


def told_to(
    reads: Iterable[Prediction], choices: Sequence[PredictorChoice], defaults: Sequence[PredictorChoice]
) -> list[Told]:
    """All that a policy may be told.

    Parameters
    ----------
    reads : set of kinds of predictions
        What the policy reads.
    choices : sequence of PredictorChoice
        What the user wants.
    defaults : sequence of PredictorChoice
        What to take for a kind of which there is no choice.

    Raises
    ------
    ValueError
        When the policy reads bits of both meanings: a trace carries one bit a request.
    """
    kinds = sorted(reads)
    if {"discard bits", "phase bits"} <= set(kinds):
        raise ValueError("reads both discard bits and phase bits, and a trace carries one bit a request")
    wanted = []
    for kind in kinds:
        readable = [choice for choice in choices if kind in choice.reading]
        wanted.append(readable or [choice for choice in defaults if kind in choice.reading])
    return [dict(zip(kinds, told, strict=True)) for told in itertools.product(*wanted)]


def flipped_bits(flips: Iterable[float]) -> list[PredictorChoice]:
    """True discard and phase bits, of which such shares are flipped at random."""
    choices = []
    for flip in flips:
        if not 0.0 <= flip <= 1.0:
            raise ValueError(f"flip: {flip} is outside [0, 1]")
        given = {"flip_probability": flip}
        choices += [_choice(truth, given, {"flip_probability": repr(flip)}) for truth in (DiscardBits, PhaseBits)]
    return choices


def noisy_arrivals(sigmas: Iterable[float]) -> list[PredictorChoice]:
    """True times of the next request, with lognormal noise of such sizes; without any for 0."""
    choices = []
    for sigma in sigmas:
        if not 0.0 <= sigma < math.inf:
            raise ValueError(f"sigma: {sigma} is not a number >= 0")
        noisy = _choice(LognormalArrivals, {"sigma": sigma}, {"sigma": repr(sigma)})
        choices.append(noisy if sigma else _choice(NextArrivals, {}, {}))
    return choices


def own_predictions(trace: Trace) -> list[PredictorChoice]:
    """The predictions that came with a trace."""
    choices = []
    if trace.bits is not None:
        choices.append(PredictorChoice("own bits", "own bits", frozenset({"discard bits", "phase bits"}), None))
    if trace.arrivals is not None:
        choices.append(PredictorChoice("own arrivals", "own arrivals", frozenset({"next arrivals"}), None))
    return choices


def errors_of(kind: Prediction, predicted: NDArray[Any], trace: Trace, cache_size: int) -> dict[str, float]:
    """How wrong predictions are, as the guarantees of policies count it: eta0 and eta1 of bits, eta of times."""
    if kind == "next arrivals":
        return {"eta": arrival_error(predicted, next_use(trace.requests, trace.n_pages))}
    truth: Any = DiscardBits if kind == "discard bits" else PhaseBits
    eta0, eta1 = truth(cache_size).errors(trace, predicted)
    return {"eta0": float(eta0), "eta1": float(eta1)}


def split_names(text: str) -> list[str]:
    """The predictors of a list by commas; a part like ``budget=100`` belongs to the one before.

    Raises
    ------
    ValueError
        When a part is empty or parentheses do not match.

    Examples
    --------
    >>> split_names("AdversarialBits:budget=100,kind_of_error=keep,PopularityArrivals")
    ['AdversarialBits:budget=100,kind_of_error=keep', 'PopularityArrivals']
    """
    names: list[str] = []
    for part in _parts(text):
        if names and re.match(r"\w+\s*=", part):
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names


def named_predictor(text: str) -> PredictorChoice:
    """A registered predictor with its parameters, as the top of this module shows them.

    Raises
    ------
    ValueError
        For a name that is no registered predictor, an unknown parameter, or a value outside its range.
    """
    return _choice(*_predictor(text))


def _choice(cls: type, given: dict[str, Any], written: dict[str, str]) -> PredictorChoice:
    """The choice of a predictor with parameters, and these as they are written."""
    takes_size = "cache_size" in _parameters(cls)

    def build(cache_size: int) -> Any:
        return cls(**(({"cache_size": cache_size} if takes_size else {}) | given))

    build(given.get("cache_size", 1))  # bad values are the user's to hear about now
    if getattr(cls, "kind", "bits") == "arrivals":
        reading: set[Prediction] = {"next arrivals"}
    elif issubclass(cls, PhaseBits):
        reading = {"phase bits"}
    else:
        reading = {"discard bits"} if hasattr(cls, "truth") else {"discard bits", "phase bits"}
    name = cls.__name__ + ":" * bool(written) + ",".join(f"{key}={value}" for key, value in written.items())
    return PredictorChoice(name, _label(cls, given) or name, frozenset(reading), build)


def _label(cls: type, given: dict[str, Any]) -> str:
    """A shorter label than the name for what everybody uses; empty for others."""
    if cls in (DiscardBits, PhaseBits) and not given.keys() - {"flip_probability"}:
        flip = given.get("flip_probability", 0.0)
        return f"{100 * flip:g}% of bits flipped" if flip else "true bits"
    if cls is NextArrivals and not given:
        return "true arrivals"
    if cls is LognormalArrivals and given.keys() == {"sigma"}:
        return f"sigma = {given['sigma']:g}"
    return ""


def _predictor(text: str) -> tuple[type, dict[str, Any], dict[str, str]]:
    """The class that a text names, its parameters, and these as they are written."""
    match = re.fullmatch(r"\s*(\w+)\s*(?::(.*)|\((.*)\))?\s*", text, re.DOTALL)
    if match is None:
        raise ValueError(f"predictor: {text!r} is not like LognormalArrivals:sigma=5")
    name, *parameters = match.groups()
    known = _registered()
    if name not in known:
        raise ValueError(f"predictor: unknown {name!r}; there are {', '.join(known)}")
    cls = known[name]
    allowed = _parameters(cls)
    given: dict[str, Any] = {}
    written: dict[str, str] = {}
    for part in _parts(next((p for p in parameters if p), "")) if any(parameters) else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise ValueError(f"predictor: {text!r}: {part!r} is not like name=value")
        if key not in allowed:
            listed = f"its parameters are {', '.join(allowed)}" if allowed else "it has none"
            raise ValueError(f"predictor: {name} has no parameter {key!r}; {listed}")
        if key in given:
            raise ValueError(f"predictor: {text!r} gives {key!r} twice")
        given[key], written[key] = _value(value), value
    return cls, given, written


def _value(text: str) -> Any:
    """A number, a word, or a predictor."""
    if text.partition("(")[0].strip() in _registered():
        cls, given, _ = _predictor(text)
        return cls(**given)
    if text in ("inf", "+inf"):
        return math.inf
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@functools.cache
def _registered() -> dict[str, type]:
    """The registered predictors."""
    loaded = {name: registry.simulator(name) for name in registry.names("simulators")}
    return {name: cls for name, cls in loaded.items() if isinstance(cls, type) and hasattr(cls, "predict")}


def _parameters(cls: type) -> list[str]:
    """Names of the parameters that make a predictor."""
    return list(inspect.signature(cls).parameters)


def _parts(text: str) -> list[str]:
    """What stands between the commas outside parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise ValueError(f"predictor: {text!r}: parentheses do not match")
    parts = [part.strip() for part in parts]
    if not all(parts):
        raise ValueError(f"predictor: {text!r} has an empty entry")
    return parts
