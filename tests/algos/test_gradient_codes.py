"""Gradient codes: every pattern of stragglers on small codes, the fast decoder against the plain one, what is lost."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.gradient_codes import (
    CyclicMDSCode,
    CyclicRandomCode,
    FractionalRepetitionCode,
    GradientCode,
    IllConditionedCode,
    PolynomialCode,
    UnevenRepetitionCode,
    gradient_code_load,
    uneven_groups,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def codes(n, s):
    found = [UnevenRepetitionCode(n, s), CyclicRandomCode(n, s, rng(7)), CyclicMDSCode(n, s), PolynomialCode(n, s)]
    if n % (s + 1) == 0:
        found.append(FractionalRepetitionCode(n, s))
    return found


SIZES = [(n, s) for n in range(1, 9) for s in range(n)]


@pytest.mark.parametrize(("n", "s"), SIZES)
def test_every_pattern_decodes(n, s):
    for code in codes(n, s):
        partials = rng(1).standard_normal((code.n_chunks, 2))
        results = code.encode(partials)
        np.testing.assert_allclose(results, code.matrix @ partials, atol=1e-12 * np.abs(code.matrix).max())
        for k in range(s + 1):
            for missing in itertools.combinations(range(n), k):
                weights = code.decoding_vector(missing)
                assert not weights[list(missing)].any()
                residual = np.abs(weights @ code.matrix - 1).max()
                assert residual <= (0 if isinstance(code, UnevenRepetitionCode) else 1e-8)
                holed = results.copy()
                holed[list(missing)] = np.nan
                np.testing.assert_allclose(code.decode(holed, missing), partials.sum(axis=0), atol=1e-8)
        assert code.decoding_error(range(n)) == pytest.approx(code.n_chunks)


@pytest.mark.guarantee("gradient_code_load")
@given(st.integers(1, 12), st.data())
def test_loads_and_supports(n, data):
    s = data.draw(st.integers(0, n - 1))
    least = gradient_code_load(n, s)
    for code in codes(n, s):
        assert code.exact_load >= least
        held = code.matrix != 0
        assert (held.sum(axis=0) >= s + 1).all()
        if isinstance(code, CyclicRandomCode | CyclicMDSCode | PolynomialCode):
            assert (held.sum(axis=0) == s + 1).all()
            assert (held.sum(axis=1) == s + 1).all()
            assert code.exact_load == least
            assert code.chunks(0).tolist() == list(range(s + 1))
    assert UnevenRepetitionCode(n, s).exact_load == Fraction(1, n // (s + 1))
    sizes = np.bincount(uneven_groups(n, s))
    assert sizes.min() >= s + 1
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("n", "s"), [(16, 3), (64, 7)])
def test_the_fast_decoder_is_as_good_as_least_squares(n, s):
    for code in (CyclicRandomCode(n, s, rng(3)), CyclicMDSCode(n, s)):
        for seed in range(20):
            missing = rng(seed).choice(n, s, replace=False)
            heard = np.setdiff1d(np.arange(n), missing)
            plain = np.linalg.lstsq(code.matrix[heard].T, np.ones(n), rcond=None)[0]
            residual = np.abs(plain @ code.matrix[heard] - 1).max()
            fast = code.decoding_vector(missing)
            assert np.abs(fast @ code.matrix - 1).max() <= max(1e-7, 10 * residual)


@given(st.integers(2, 8), st.data())
def test_permuted_workers_have_permuted_weights(n, data):
    s = data.draw(st.integers(0, n - 1))
    order = np.array(data.draw(st.permutations(range(n))))
    code = CyclicRandomCode(n, s, rng(5))
    missing = order[:s]  # exactly s missing: the weights are unique
    permuted = GradientCode(code.matrix[order], s)
    places = [int(np.flatnonzero(order == i)[0]) for i in missing]
    np.testing.assert_allclose(permuted.decoding_vector(places), code.decoding_vector(missing)[order], atol=1e-6)


def test_more_draws_have_smaller_weights():
    sets = [rng(i).choice(64, 7, replace=False) for i in range(30)]

    def largest(draws):
        code = CyclicRandomCode(64, 7, rng(11), draws)
        return max(np.abs(code.decoding_vector(missing)).max() for missing in sets)

    assert largest(16) < largest(1)


def test_repetition_decodes_beyond_s_and_approximates_beyond_that():
    code = FractionalRepetitionCode(6, 1)
    assert code.decodable([0, 2, 4])
    assert code.decoding_vector([0, 2, 4]).tolist() == [0, 1, 0, 1, 0, 1]
    with pytest.raises(ValueError, match="approximate=True"):
        code.decoding_vector([0, 1])
    assert code.decoding_vector([0, 1], approximate=True).tolist() == [0, 0, 1, 0, 1, 0]
    assert code.decoding_error([0, 1]) == 2.0  # two chunks are lost
    partials = np.arange(6.0)[:, None]
    assert code.decode(code.encode(partials), [0, 1], approximate=True).tolist() == [14.0]


def test_approximate_weights_are_the_best_there_are():
    code = CyclicRandomCode(7, 2, rng(1))
    missing, heard = [0, 1, 2, 3], [4, 5, 6]
    weights = code.decoding_vector(missing, approximate=True)
    best = code.decoding_error(missing)
    assert np.abs(weights @ code.matrix - 1) @ np.abs(weights @ code.matrix - 1) == pytest.approx(best)
    for seed in range(20):
        other = weights.copy()
        other[heard] += 0.01 * rng(seed).standard_normal(3)
        assert ((other @ code.matrix - 1) ** 2).sum() >= best


def test_a_code_that_cannot_be_trusted_says_so():
    code = CyclicMDSCode(256, 27)
    with pytest.raises(IllConditionedCode, match="error"):
        code.decoding_vector(range(27))
    with pytest.raises(IllConditionedCode):
        CyclicRandomCode(64, 7, rng(0)).decoding_vector(range(7), tolerance=1e-300)


def test_precision_and_layers():
    code = CyclicRandomCode(9, 2, rng(2))
    partials = rng(3).standard_normal((9, 3, 4)).astype(np.float32)
    results = code.encode(partials)
    assert results.dtype == np.float32
    assert results.shape == (9, 3, 4)
    found = code.decode(results, [4, 5])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, partials.sum(axis=0), rtol=1e-3, atol=1e-3)
    assert code.decode(code.encode(np.ones((9, 1), dtype=int)), [1]).tolist() == pytest.approx([9.0])
    assert code.encode(np.ones(9)).shape == (9,)


@pytest.mark.parametrize(("n", "s"), [(40, 3), (33, 20), (64, 0)])
def test_many_workers_encode_what_the_matrix_says(n, s):
    for code in (CyclicRandomCode(n, s, rng(2)), UnevenRepetitionCode(n, s), CyclicMDSCode(n, s)):
        partials = rng(3).standard_normal((code.n_chunks, 5))
        expected = code.matrix @ partials
        np.testing.assert_allclose(code.encode(partials), expected, atol=1e-12 * np.abs(code.matrix).max() * n)


def test_the_weighted_sum_of_many_columns():
    code = CyclicRandomCode(9, 4, rng(2))
    partials = rng(3).standard_normal((9, 9001))
    np.testing.assert_allclose(code.decode(code.encode(partials), [0, 4]), partials.sum(axis=0), atol=1e-9)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128, int])
def test_gradients_of_any_precision_on_threads(kind, monkeypatch):
    monkeypatch.setattr("algos.gradient_codes.products._WORTH_THREADS", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    partials = (10 * rng(3).standard_normal((13, 9001))).astype(kind)
    for code in (CyclicRandomCode(13, 5, rng(2)), PolynomialCode(13, 5)):
        expected = code.matrix @ partials.astype(np.complex128 if np.dtype(kind).kind == "c" else np.float64)
        found = code.encode(partials)
        single = np.dtype(kind) in (np.float16, np.float32, np.complex64)
        assert found.dtype == _precision(expected, single)
        np.testing.assert_allclose(found, expected, atol=(1e-5 if single else 1e-13) * np.abs(expected).max())
        monkeypatch.setattr("os.cpu_count", lambda: 1)
        assert code.encode(partials).tobytes() == found.tobytes()


def _precision(values, single):
    if values.dtype.kind == "c":
        return np.complex64 if single else np.complex128
    return np.float32 if single else np.float64


def test_a_set_met_again_is_not_solved_again():
    code = CyclicRandomCode(6, 2, rng(2))
    assert code.decoding_vector([1, 2]) is code.decoding_vector([2, 1])
    with pytest.raises(ValueError, match="read-only"):
        code.decoding_vector([1, 2])[0] = 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: CyclicMDSCode(3, 3),
        lambda: CyclicMDSCode(0, 0),
        lambda: CyclicMDSCode(True, 0),
        lambda: CyclicRandomCode(3, 1, 0),
        lambda: CyclicRandomCode(3, 1, rng(), draws=0),
        lambda: FractionalRepetitionCode(5, 1),
        lambda: UnevenRepetitionCode(5, -1),
        lambda: PolynomialCode(33, 1),
        lambda: GradientCode([[np.nan, 1.0]], 0),
        lambda: GradientCode([1.0], 0),
        lambda: CyclicMDSCode(3, 1).decoding_vector([3]),
        lambda: CyclicMDSCode(3, 1).decoding_vector([-1]),
        lambda: CyclicMDSCode(3, 1).decoding_vector([0, 1]),
        lambda: CyclicMDSCode(3, 1).decoding_vector([0.5]),
        lambda: CyclicMDSCode(3, 1).decoding_vector([0], tolerance=0.0),
        lambda: CyclicMDSCode(3, 1).encode(np.ones((2, 1))),
        lambda: CyclicMDSCode(3, 1).encode(["a", "b", "c"]),
        lambda: CyclicMDSCode(3, 1).decode(np.ones((2, 1))),
        lambda: CyclicMDSCode(3, 1).chunks(-1),
    ],
)
def test_bad_input(make):
    with pytest.raises(ValueError):
        make()
