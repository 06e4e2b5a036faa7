"""Projections against the sorting formula and the variational inequality that defines them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.projections import project_box, project_simplex, project_simplices
from tests.reference.bilevel import simplex_projection

coordinates = st.lists(st.floats(-50, 50), min_size=1, max_size=12)


@given(coordinates, st.floats(0, 9))
def test_the_simplex_agrees_with_sorting(entries, total):
    point = np.array(entries)
    project_simplex(point, total)
    np.testing.assert_allclose(point, simplex_projection(np.array(entries), total), atol=1e-12)
    assert point.min() >= 0
    assert point.sum() == pytest.approx(total, abs=1e-12)


@given(coordinates, st.floats(0.1, 9), st.integers(0, 2**32))
def test_no_point_of_the_simplex_is_nearer(entries, total, seed):
    rng, point = np.random.default_rng(seed), np.array(entries)
    project_simplex(point, total)
    for other in total * rng.dirichlet(np.ones(point.size), size=5):
        assert (np.array(entries) - point) @ (other - point) <= 1e-10


def test_far_points_keep_their_digits():
    point = np.array([1e15, 1e15 - 0.5, 0.0])
    project_simplex(point, 1.0)
    assert point.tolist() == [0.75, 0.25, 0.0]
    one = np.array([-1e300])
    project_simplex(one, 2.0)
    assert one.tolist() == [2.0]


@given(st.lists(coordinates, min_size=1, max_size=4), st.integers(0, 2**32))
def test_a_product_is_projected_part_by_part(parts, seed):
    totals = np.random.default_rng(seed).random(len(parts))
    point = np.concatenate([np.array(part) for part in parts])
    offsets = np.cumsum([0, *map(len, parts)])
    project_simplices(point, offsets, totals)
    for part, total, first, end in zip(parts, totals, offsets, offsets[1:], strict=False):
        np.testing.assert_allclose(point[first:end], simplex_projection(np.array(part), total), atol=1e-12)


@given(coordinates)
def test_the_box_clips(entries):
    point = np.array(entries)
    low, high = np.full(point.size, -1.0), np.full(point.size, 2.0)
    high[0] = np.inf
    project_box(point, low, high)
    assert point.tolist() == np.clip(entries, low, high).tolist()
