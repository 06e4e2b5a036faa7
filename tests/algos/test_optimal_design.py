"""Max-Det collections and G-optimal designs: their defining properties, and exhaustive search."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from algos import g_optimal_design, max_det_collection
from algos.optimal_design import _reduced_support, rank_of_rows
from tests.reference.best_arm import largest_volume


def rows_of(seed, n, dimension, rank=None, scale=1.0):
    rng = np.random.default_rng(seed)
    rank = dimension if rank is None else min(rank, dimension, n)
    return scale * rng.normal(size=(n, rank)) @ rng.normal(size=(rank, dimension))


seeds = st.integers(0, 2**32)
small = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))


def check_basis(rows, found, bound):
    scale = np.abs(rows).max()
    assert (np.diff(found.basis) > 0).all()
    assert np.abs(found.coefficients).max(initial=0) <= bound
    assert np.abs(rows - found.coefficients @ rows[found.basis]).max() <= 1e-8 * max(scale, 1e-300)
    assert found.coefficients[found.basis].tolist() == np.eye(found.basis.size).tolist()


@given(seeds, small, st.sampled_from([1e-150, 1.0, 1e150]))
def test_every_row_is_a_small_combination_of_the_basis(seed, sizes, scale):
    n, dimension, rank = sizes
    rows = rows_of(seed, n, dimension, rank, scale)
    for method in ("local", "exact"):
        found = max_det_collection(rows, method=method)
        assert found.basis.size == min(n, dimension, rank)
        check_basis(rows, found, 1 + 1e-8)


@given(seeds, small)
def test_exact_search_finds_the_largest_volume_and_local_search_no_larger_one(seed, sizes):
    n, dimension, rank = sizes
    rows = rows_of(seed, n, dimension, rank)
    best, first, volumes = largest_volume(rows)
    assert tuple(max_det_collection(rows, method="exact").basis) == first
    local = tuple(max_det_collection(rows).basis)
    assert volumes[local] <= best * (1 + 1e-9)
    # No swap enlarges a local optimum.
    for place in range(len(local)):
        for row in range(n):
            swapped = tuple(sorted({*local[:place], row, *local[place + 1 :]}))
            if len(swapped) == len(local):
                assert volumes[swapped] <= volumes[local] * (1 + 1e-8)


@given(seeds, st.integers(4, 9), st.integers(1, 3))
def test_exact_search_does_not_care_for_the_coordinates(seed, n, dimension):
    rows = rows_of(seed, n, dimension)
    rng = np.random.default_rng(seed + 1)
    change = rng.normal(size=(dimension, dimension))
    assume(np.linalg.cond(change) <= 1e3)
    best, _, volumes = largest_volume(rows)
    assume(sum(volume > best * (1 - 1e-6) for volume in volumes.values()) == 1)
    bases = [max_det_collection(x, method="exact").basis.tolist() for x in (rows, rows @ change)]
    assert bases[0] == bases[1]


@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=8))
def test_ties_duplicates_and_zero_rows(vectors):
    rows = np.array(vectors, dtype=float)
    for method in ("local", "exact"):
        found = max_det_collection(rows, method=method)
        assert found.basis.size == np.linalg.matrix_rank(rows)
        check_basis(rows, found, 1 + 1e-8)


def test_many_swaps_stay_accurate():
    # A Vandermonde matrix: the greedy start is far from a local optimum.
    x = np.linspace(-1, 1, 400)
    rows = x[:, None] ** np.arange(12) * np.exp(2 * x)[:, None]
    found = max_det_collection(rows)
    assert np.abs(found.coefficients).max() <= 1 + 1e-8
    assert np.abs(found.coefficients @ rows[found.basis] - rows).max() <= 1e-8


def test_zero_rows_alone_have_no_basis():
    found = max_det_collection(np.zeros((3, 2)))
    assert found.basis.size == 0
    assert found.coefficients.shape == (3, 0)
    with pytest.raises(ValueError, match="vectors: all rows are zero"):
        g_optimal_design(np.zeros((3, 2)))


@given(seeds, small)
def test_ranks_of_subsets_are_those_of_numpy_up_to_enough(seed, sizes):
    n, dimension, rank = sizes
    rows = rows_of(seed, n, dimension, rank)
    rng = np.random.default_rng(seed)
    subsets = np.array([sorted(rng.choice(n, size=min(n, 3), replace=False)) for _ in range(6)])
    for enough in (0, 1, 2, 9):
        expected = [min(np.linalg.matrix_rank(rows[subset]), enough) for subset in subsets]
        assert rank_of_rows(rows, subsets, enough).tolist() == expected


def variances(rows, weights):
    reduced = rows @ np.linalg.svd(rows, full_matrices=False)[2][: np.linalg.matrix_rank(rows)].T
    information = (reduced.T * weights) @ reduced
    return np.einsum("ij,ij->i", reduced, np.linalg.solve(information, reduced.T).T)


@settings(max_examples=40)
@given(seeds, st.integers(1, 60), st.integers(1, 6), st.integers(1, 6))
def test_a_g_optimal_design_has_variance_rank_everywhere_on_its_support(seed, n, dimension, rank):
    rows = rows_of(seed, n, dimension, rank)
    r = np.linalg.matrix_rank(rows)
    weights = g_optimal_design(rows)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights >= 0).all()
    assert (weights > 0).sum() <= r * (r + 1) // 2
    spread = variances(rows, weights)
    assert spread.max() <= r * (1 + 2e-6)  # 1e-6 of the solver, and the weights that were dropped
    assert spread[weights > 0].min() >= r * (1 - 2e-6)


@given(seeds, st.integers(1, 3))
def test_many_equal_directions_are_reduced_with_the_information_unchanged(seed, rank):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(20, rank))
    weights = rng.random(20)
    reduced = _reduced_support(rows, weights)
    assert (reduced > 0).sum() <= rank * (rank + 1) // 2
    before, after = ((rows.T * w) @ rows for w in (weights, reduced))
    assert np.abs(before - after).max() <= 1e-8 * np.abs(before).max()


def test_a_circle_needs_no_more_than_three_directions():
    angles = np.linspace(0, np.pi, 100, endpoint=False)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reduced = g_optimal_design(rows)
    assert (reduced > 0).sum() <= 3
    assert variances(rows, reduced).max() == pytest.approx(2, rel=2e-6)


@pytest.mark.parametrize(
    ("rows", "weights"),
    [
        ([(1, 0), (0, 1), (1, 1)], [1 / 3] * 3),
        ([(1, 0), (0, 1), (0.5, 0.5)], [0.5, 0.5, 0]),
        ([(3.0,), (1.0,)], [1, 0]),
    ],
)
def test_designs_of_the_specification(rows, weights):
    assert g_optimal_design(rows).tolist() == pytest.approx(weights, abs=1e-6)


def test_steps_that_run_out_are_said(monkeypatch):
    monkeypatch.setattr("algos.optimal_design._frank_wolfe", lambda rows, basis, tol, most: (np.ones(len(rows)), False))
    with pytest.warns(RuntimeWarning, match="steps did not reach"):
        g_optimal_design(np.eye(2))


@pytest.mark.parametrize("vectors", [[], [[]], [1.0], [[math.nan]], [[math.inf, 0]], "ab", [[1, 2], [3]], [["x"]]])
def test_what_is_no_finite_matrix_is_refused(vectors):
    with pytest.raises(ValueError, match=r"^vectors: "):
        max_det_collection(vectors)
    with pytest.raises(ValueError, match=r"^vectors: "):
        g_optimal_design(vectors)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="method: 'best'"):
        max_det_collection(np.eye(2), method="best")
    with pytest.raises(ValueError, match="tolerance: nan"):
        max_det_collection(np.eye(2), tolerance=math.nan)
    with pytest.raises(ValueError, match="tolerance: 0"):
        g_optimal_design(np.eye(2), tolerance=0)
    with pytest.raises(ValueError, match=r"comb\(200, 5\) subsets"):
        max_det_collection(rows_of(0, 200, 5), method="exact")
