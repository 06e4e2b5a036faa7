"""What can be reached for a population's risk: rates, a lower bound with its constant, and a printed bound that fails.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Theorem 5.1, Corollary 6.2, Theorem A.2, Lemmas A.1 and E.2. The
constant of the lower bound is derived here.
"""

from __future__ import annotations

import math
import warnings

from algos.contracts import whole_number
from algos.guarantees import guarantee
from algos.privacy import check_delta, check_epsilon

__all__ = [
    "bound_glm_uniform_printed",
    "convex_population_rate",
    "glm_rate",
    "outside_gradient_bound",
    "population_lower_bound",
]

_PAPER = "arXiv:2206.00846"


@guarantee(f"{_PAPER}, Theorem 5.1; its order", kind="upper", algorithm="RecursiveRegularization", evidence="paper")
def convex_population_rate(
    n_records: int,
    dimension: int,
    epsilon: float,
    delta: float,
    lipschitz: float,
    *,
    smoothness: float = 0.0,
    radius: float = 0.0,
) -> float:
    """The order of the population's gradient, convex losses: L0 / sqrt(n) + L0 sqrt(d ln(1/delta)) / (n epsilon).

    Logarithms and constants are hidden: a slope, not a bound. The variant that takes linear time adds L1 |w*| /
    sqrt(n). It is optimal, by `empirical_lower_bound` and `population_lower_bound`.

    Parameters
    ----------
    n_records, dimension : int >= 1
    epsilon, delta
        The budget; epsilon = inf leaves the first term.
    lipschitz : float > 0
        L0.
    smoothness, radius : float >= 0
        L1 and |w*|, for the variant of linear time.
    """
    n, d = whole_number(n_records, "n_records", 1), whole_number(dimension, "dimension", 1)
    _positive(lipschitz=lipschitz)
    private = math.sqrt(d * math.log(1.0 / check_delta(delta))) / (n * check_epsilon(epsilon))
    return lipschitz * (1.0 / math.sqrt(n) + private) + smoothness * radius / math.sqrt(n)


@guarantee(f"{_PAPER}, Corollary 6.2; its order", kind="upper", algorithm="JLProjected", evidence="paper")
def glm_rate(n_records: int, rank: int, epsilon: float, *, convex: bool = False, population: bool = True) -> float:
    """The order of the gradient of a linear model in n, the rank and epsilon, whatever the dimension.

    1 / sqrt(n) + min((sqrt(rank) / (n epsilon))^{2/3}, (n epsilon)^{-2/5}), or, convex, 1 / sqrt(n) + min(sqrt(rank) /
    (n epsilon), (n epsilon)^{-1/2}). The first term is of the population alone, and unproven when d is far above n: the
    lemma behind it is false there (`bound_glm_uniform_printed`).

    Parameters
    ----------
    n_records, rank : int >= 1
    epsilon : float > 0
    convex, population : bool
    """
    n, r = whole_number(n_records, "n_records", 1), whole_number(rank, "rank", 1)
    size = n * check_epsilon(epsilon)
    if convex:
        private = min(math.sqrt(r) / size, size**-0.5)
    else:
        private = min((math.sqrt(r) / size) ** (2.0 / 3.0), size**-0.4)
    return private + (1.0 / math.sqrt(n) if population else 0.0)


@guarantee(f"{_PAPER}, Theorem A.2, with its constant", kind="lower", algorithm="any method", evidence="derived")
def population_lower_bound(n_records: int, lipschitz: float) -> float:
    """No method, private or not, has a smaller mean |gradient| on both of `simulators.CoinPopulation`'s populations.

    (L0 p / 2) (1 - sqrt(n KL / 2)) with p = 1 / (4 sqrt(n)) and KL = p ln((1 + p) / (1 - p)): the gradients of the two
    populations at any point add up to at least L0 p, and n records tell them apart with an advantage of at most the
    root (Pinsker). About 0.094 L0 / sqrt(n).

    Parameters
    ----------
    n_records : int >= 1
    lipschitz : float > 0

    Examples
    --------
    >>> round(population_lower_bound(10_000, 1.0), 6)
    0.000937
    """
    _positive(lipschitz=lipschitz)
    n = whole_number(n_records, "n_records", 1)
    p = 0.25 / math.sqrt(n)
    return 0.5 * lipschitz * p * (1.0 - math.sqrt(0.5 * n * p * math.log((1.0 + p) / (1.0 - p))))


@guarantee(f"{_PAPER}, Lemma A.1", kind="lower", algorithm="any convex risk", evidence="paper")
def outside_gradient_bound(inward: float, radius: float) -> float:
    """A convex f with <grad f(v), v - w0> >= G on the sphere of radius R around w0 has |grad f| >= G / R outside it.

    Parameters
    ----------
    inward : float > 0
        G.
    radius : float > 0
        R.
    """
    _positive(inward=inward, radius=radius)
    return inward / radius


@guarantee(f"{_PAPER}, Lemma E.2 as printed: false for d >> n", kind="upper", algorithm="none", evidence="paper")
def bound_glm_uniform_printed(
    n_records: int, radius: float, failure: float, *, lipschitz: float = 1.0, smoothness: float = 1.0, row: float = 1.0
) -> float:
    """What Lemma E.2 claims of sup_{|w| <= W} |grad F(w; population) - grad F(w; records)|, for any d. It is false.

    4 L0 X ln(2 n^{3/2} W L1 X / L0) / sqrt(n) + 4 L0 X sqrt(ln(1/beta)) / sqrt(n). With x_j = (e_0 + e_j) / sqrt(2), j
    uniform on 100 n coordinates, Huber's loss and w = sqrt(2) sum_{j in the sample} e_j, |w| <= sqrt(2 n), the
    deviation is about 0.70 for every n, and the bound goes to 0: the covering number in its proof is wrong. Never a
    certificate; calling it warns.

    Parameters
    ----------
    n_records : int >= 1
    radius : float > 0
        W.
    failure : float in (0, 1)
        beta.
    lipschitz, smoothness : float > 0
        L0 and L1, of the loss in its margin.
    row : float > 0
        X, a bound of the rows' norms.
    """
    n = whole_number(n_records, "n_records", 1)
    _positive(radius=radius, lipschitz=lipschitz, smoothness=smoothness, row=row)
    warnings.warn("Lemma E.2 is false for dimensions far above n; this is no certificate", UserWarning, stacklevel=2)
    cover = math.log(2.0 * n**1.5 * radius * smoothness * row / lipschitz)
    return 4.0 * lipschitz * row * (cover + math.sqrt(math.log(1.0 / check_delta(failure)))) / math.sqrt(n)


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")
