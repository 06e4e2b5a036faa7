import math

import numpy as np
import pytest

from experiments.predictor_choices import (
    errors_of,
    flipped_bits,
    named_predictor,
    noisy_arrivals,
    own_predictions,
    split_names,
    told_to,
)
from simulators import (
    AdversarialBits,
    ConstantBits,
    LognormalArrivals,
    NextArrivals,
    PopularityArrivals,
    ThresholdBits,
    Trace,
)

BOTH = {"discard bits", "phase bits"}


@pytest.mark.parametrize(
    ("text", "built", "reading"),
    [
        ("PopularityArrivals", PopularityArrivals(), {"next arrivals"}),
        ("AdversarialBits:budget=7", AdversarialBits(5, budget=7), {"discard bits"}),
        (
            "AdversarialBits: budget=7, kind_of_error=keep",
            AdversarialBits(5, budget=7, kind_of_error="keep"),
            {"discard bits"},
        ),
        ("AdversarialBits(budget=7,cache_size=9)", AdversarialBits(9, budget=7), {"discard bits"}),
        ("LognormalArrivals:sigma=5,never=inf", LognormalArrivals(5.0, never=math.inf), {"next arrivals"}),
        ("ConstantBits:bit=1", ConstantBits(1), BOTH),
        (
            "ThresholdBits:arrivals=LognormalArrivals(sigma=5,never=100),training=0.3",
            ThresholdBits(5, LognormalArrivals(5.0, never=100), 0.3),
            {"discard bits"},
        ),
        ("ThresholdBits:arrivals=NextArrivals", ThresholdBits(5, NextArrivals()), {"discard bits"}),
    ],
)
def test_names_build_what_they_say(text, built, reading):
    choice = named_predictor(text)
    assert choice.build(5) == built
    assert choice.reading == reading
    assert named_predictor(choice.name).build(5) == built


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Popularity", "unknown 'Popularity'; there are AdversarialBits, ConstantBits"),
        ("ZipfTrace", "unknown 'ZipfTrace'"),
        ("AdversarialBits", "budget is missing"),
        ("AdversarialBits:budget=-1", "budget = -1: should be greater than or equal to 0"),
        ("AdversarialBits:bugdet=1", "no parameter 'bugdet'; its parameters are cache_size, budget"),
        ("PopularityArrivals:rate=1", "no parameter 'rate'; it has none"),
        ("LognormalArrivals:sigma=x", "sigma = 'x': should be a valid number"),
        ("LognormalArrivals:5", "'5' is not like name=value"),
        ("LognormalArrivals:sigma=1,sigma=2", "gives 'sigma' twice"),
        ("ConstantBits:bit=2", "bit = 2: must be 0 or 1"),
        ("ThresholdBits:arrivals=PhaseBits(cache_size=3)", "must be a predictor of arrival times"),
        ("ThresholdBits:arrivals=LognormalArrivals(sigma=5", "parentheses do not match"),
        ("", "is not like LognormalArrivals:sigma=5"),
    ],
)
def test_names_that_mean_nothing(text, message):
    with pytest.raises(ValueError, match=r"^\w+: ") as refused:
        named_predictor(text)
    assert message in str(refused.value)


def test_names_are_split_at_commas_between_predictors_only():
    text = "AdversarialBits:budget=100,kind_of_error=keep, PopularityArrivals,ThresholdBits:arrivals=A(x=1,y=2)"
    assert split_names(text) == [
        "AdversarialBits:budget=100,kind_of_error=keep",
        "PopularityArrivals",
        "ThresholdBits:arrivals=A(x=1,y=2)",
    ]
    with pytest.raises(ValueError, match="empty entry"):
        split_names("PopularityArrivals,,PLECOBits")


@pytest.mark.parametrize("flip", [-0.1, 1.1, math.nan])
def test_flips_outside_their_range(flip):
    with pytest.raises(ValueError, match="flip: "):
        flipped_bits([flip])


@pytest.mark.parametrize("sigma", [-1.0, math.inf, math.nan])
def test_sigmas_outside_their_range(sigma):
    with pytest.raises(ValueError, match="sigma: "):
        noisy_arrivals([sigma])


def test_labels_tell_small_flips_apart():
    labels = [choice.label for choice in flipped_bits([0.0, 0.004, 0.005])]
    assert labels == ["true bits"] * 2 + ["0.4% of bits flipped"] * 2 + ["0.5% of bits flipped"] * 2
    assert [choice.label for choice in noisy_arrivals([0.0, 2.5])] == ["true arrivals", "sigma = 2.5"]


def test_a_policy_is_told_what_it_reads_and_defaults_only_where_nothing_is_chosen():
    choices, defaults = [named_predictor("PopularityArrivals")], [*flipped_bits([0.1]), *noisy_arrivals([3.0])]

    def names(*reads):
        return [tuple(choice.name for choice in told.values()) for told in told_to(set(reads), choices, defaults)]

    assert names() == [()]
    assert names("next arrivals") == [("PopularityArrivals",)]
    assert names("discard bits") == [("DiscardBits:flip_probability=0.1",)]
    assert names("phase bits") == [("PhaseBits:flip_probability=0.1",)]
    assert names("next arrivals", "phase bits") == [("PopularityArrivals", "PhaseBits:flip_probability=0.1")]
    with pytest.raises(ValueError, match="one bit a request"):
        names("discard bits", "phase bits")


def test_errors_are_counted_as_the_kind_of_prediction_asks():
    trace = Trace("abcabc").with_bits([1, 1, 0, 1, 1, 0]).with_arrivals([3, 6, 5, 6, 2, 6])
    # Discard bits are 010111. Phase bits are 0101--: those of the last phase cannot be wrong.
    assert errors_of("discard bits", trace.bits, trace, 2) == {"eta0": 1.0, "eta1": 1.0}
    assert errors_of("phase bits", trace.bits, trace, 2) == {"eta0": 0.0, "eta1": 1.0}
    assert errors_of("next arrivals", trace.arrivals, trace, 2) == {"eta": 2.0 + 4.0}


def test_own_predictions_are_those_of_the_trace():
    assert own_predictions(Trace("ab")) == []
    bits, arrivals = own_predictions(Trace("ab", bits=[0, 1], arrivals=[2, 2]))
    trace = Trace("aba", bits=[0, 1, 1], arrivals=[2, 3, 3])
    rng = np.random.default_rng(0)
    assert bits.predict("phase bits", trace, 4, rng).tolist() == [0, 1, 1]
    assert arrivals.predict("next arrivals", trace, 4, rng).tolist() == [2, 3, 3]
