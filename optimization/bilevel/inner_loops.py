"""Two loops that the penalty methods are made of: tracking by inner loops, and by one step with recursive estimators.

Each takes outer steps over two lower problems, of s f + g and of g, and moves x along grad_x f + (grad_x g(x, w_y) -
grad_x g(x, w_z)) / s, the gradient of psi_s. One source runs compiled and interpreted.

Source: Kwon et al., arXiv:2309.01753, Algorithms 1 and 2, as far as known from outside the paper; F2SA and F3SA,
arXiv:2301.10945, are the cases without proximal terms.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from optimization.bilevel.runs import CONVERGED, DIVERGED, GOES_ON, ORACLE_ERROR, copy_into, draw, finite

__all__ = ["double_loop", "move_upper", "single_loop"]

_HUGE = 1e280  # of squares; iterates as large as their square root are far beyond `finite`


@register_jitable
def double_loop(o, arrays, steps, state, samples, tolerance, rng):
    """Inner loops of proximal gradient steps for both lower problems, then one step in x.

    ``state.lower``: w_y, w_z, y, z. ``arrays``: alpha, beta, sigma, 1 / rho, inner steps T, batch M; then, for both
    problems in a row, the first step and what it decays with, gamma_t = min(first, decay / (t + 1)); their momentum,
    and the inner tolerance, 0 for none.
    """
    alpha, beta, sigma, pull, inner, batch, first, decay, momentum, inner_tolerance = arrays
    x, lower = state.x, state.lower
    dx, dy = x.size, lower.shape[1]
    y, z = lower[2], lower[3]
    u, v, p, q = np.empty(dy), np.empty(dy), np.empty(dy), np.empty(dy)
    fy, gy, hy = np.empty(dy), np.empty(dy), np.empty(dy)
    fx, gx, hx, d = np.empty(dx), np.empty(dx), np.empty(dx), np.empty(dx)
    no_x = np.empty(0) if o.skips_empty_outputs else np.empty(dx)
    no_y = np.empty(0) if o.skips_empty_outputs else np.empty(dy)
    for k in range(steps):
        s, weight, ease, limit = sigma[k], pull[k], momentum[k], inner_tolerance[k]
        for j in range(dy):
            u[j] = p[j] = y[j]
            v[j] = q[j] = z[j]
        made, reached = 0, limit <= 0.0
        while made < inner[k]:
            o.inner_upper_gradient(o.data, x, p, draw(samples, rng), no_x, fy)
            o.inner_lower_gradient(o.data, x, p, draw(samples, rng), no_x, gy)
            o.inner_lower_gradient(o.data, x, q, draw(samples, rng), no_x, hy)
            made += 1
            gamma_u, gamma_v = min(first[0, k], decay[0, k] / made), min(first[1, k], decay[1, k] / made)
            square = 0.0
            for j in range(dy):
                fy[j] = s * fy[j] + gy[j] + weight * (p[j] - y[j])
                hy[j] += weight * (q[j] - z[j])
                square += fy[j] * fy[j] + hy[j] * hy[j]
            if not square < _HUGE:
                return k, ORACLE_ERROR if finite(p) and finite(q) else DIVERGED
            for j in range(dy):
                fy[j] = p[j] - gamma_u * fy[j]
                hy[j] = q[j] - gamma_v * hy[j]
            o.project_lower(o.data, fy)
            o.project_lower(o.data, hy)
            square, other = 0.0, 0.0
            for j in range(dy):
                square += (fy[j] - p[j]) ** 2
                other += (hy[j] - q[j]) ** 2
                p[j] = fy[j] + ease * (fy[j] - u[j])
                q[j] = hy[j] + ease * (hy[j] - v[j])
                u[j], v[j] = fy[j], hy[j]
            if limit > 0.0 and max(math.sqrt(square) / gamma_u, math.sqrt(other) / gamma_v) <= limit:
                reached = True
                break
        if not (finite(u) and finite(v)):
            return k, DIVERGED
        for i in range(dx):
            d[i] = 0.0
        for _ in range(batch[k]):
            o.upper_gradient(o.data, x, u, draw(samples, rng), fx, no_y)
            o.lower_gradient(o.data, x, u, draw(samples, rng), gx, no_y)
            o.lower_gradient(o.data, x, v, draw(samples, rng), hx, no_y)
            for i in range(dx):
                d[i] += fx[i] + (gx[i] - hx[i]) / s
        for i in range(dx):
            d[i] /= batch[k]
        code = move_upper(o, state, d, alpha[k], tolerance, rng)
        if code > CONVERGED:
            return k, code
        for j in range(dy):
            lower[0, j], lower[1, j] = u[j], v[j]
            y[j] += beta[k] * (u[j] - y[j])
            z[j] += beta[k] * (v[j] - z[j])
        if not reached:
            state.numbers[3] += 1.0
        state.calls[0] += made + batch[k]
        state.calls[1] += 2 * (made + batch[k])
        state.calls[4] += 2 * made
        if code == CONVERGED:
            return k + 1, code
    return steps, GOES_ON


@register_jitable
def single_loop(o, arrays, steps, state, samples, tolerance, rng):
    """One step each for both lower problems and for x, from estimators that are corrected by the same sample twice.

    ``state.lower``: w_y, w_z, y, z. ``state.memory``, rows of x's part and then y's: estimators of the gradients of f
    and g at (x, w_y) and of g at (x, w_z), and the previous of these two points. ``arrays``: alpha, beta, sigma, 1 /
    rho, the steps of both lower problems in a row, and eta.
    """
    alpha, beta, sigma, pull, gamma, eta = arrays
    x, lower, memory = state.x, state.lower, state.memory
    dx, dy = x.size, lower.shape[1]
    found, point = np.empty((2, 3, dx + dy)), np.empty((2, dx + dy))
    numbers = np.empty(3, dtype=np.int64)
    w, d = np.empty((2, dy)), np.empty(dx)
    for k in range(steps):
        s = sigma[k]
        share = eta[k] if state.numbers[4] > 0.0 else 1.0
        for r in range(3):
            numbers[r] = draw(samples, rng)
        asked = 2 if share < 1.0 else 1
        for when in range(asked):  # now, and at the previous point with the same samples
            for side in range(2):
                for i in range(dx):
                    point[side, i] = x[i] if when == 0 else memory[3 + side, i]
                for j in range(dy):
                    point[side, dx + j] = lower[side, j] if when == 0 else memory[3 + side, dx + j]
                at_x, at_y, out = point[side, :dx], point[side, dx:], found[when, 1 + side]
                if side == 0:
                    o.upper_gradient(o.data, at_x, at_y, numbers[0], found[when, 0, :dx], found[when, 0, dx:])
                o.lower_gradient(o.data, at_x, at_y, numbers[1 + side], out[:dx], out[dx:])
        if share < 1.0:
            for r in range(3):
                for i in range(dx + dy):
                    found[0, r, i] += (1.0 - share) * (memory[r, i] - found[1, r, i])
        now = found[0]
        if not (finite(now[0]) and finite(now[1]) and finite(now[2])):
            return k, ORACLE_ERROR
        for side in range(2):
            for j in range(dy):
                slope = now[1 + side, dx + j] + pull[k] * (lower[side, j] - lower[2 + side, j])
                if side == 0:
                    slope += s * now[0, dx + j]
                w[side, j] = lower[side, j] - gamma[side, k] * slope
            o.project_lower(o.data, w[side])
        if not (finite(w[0]) and finite(w[1])):
            return k, DIVERGED
        for i in range(dx):
            d[i] = now[0, i] + (now[1, i] - now[2, i]) / s
            point[0, i] = point[1, i] = x[i]
        code = move_upper(o, state, d, alpha[k], tolerance, rng)
        if code > CONVERGED:
            return k, code
        for r in range(3):
            copy_into(now[r], memory[r])
        for side in range(2):
            for j in range(dy):
                point[side, dx + j] = lower[side, j]
                lower[side, j] = w[side, j]
                lower[2 + side, j] += beta[k] * (w[side, j] - lower[2 + side, j])
            copy_into(point[side], memory[3 + side])
        state.numbers[4] = 1.0
        state.calls[0] += asked
        state.calls[1] += 2 * asked
        state.calls[4] += 2
        if code == CONVERGED:
            return k + 1, code
    return steps, GOES_ON


@register_jitable
def move_upper(o, state, d, alpha, tolerance, rng):
    """X to Pi_X(x - alpha d), unless that is not finite; the mapping is measured, and the best and a random x kept."""
    x, numbers = state.x, state.numbers
    dx = x.size
    moved = np.empty(dx)
    if not finite(d):
        return ORACLE_ERROR
    for i in range(dx):
        moved[i] = x[i] - alpha * d[i]
    o.project_upper(o.data, moved)
    if not finite(moved):
        return DIVERGED
    square = 0.0
    for i in range(dx):
        square += (x[i] - moved[i]) ** 2
    size = math.sqrt(square) / alpha
    if size < numbers[0]:
        numbers[0] = size
        copy_into(x, state.best)
    numbers[1] += alpha
    if rng.random() * numbers[1] < alpha:
        copy_into(x, state.random)
    numbers[2] = size
    copy_into(d, state.direction)
    state.calls[3] += 1
    if size <= tolerance:
        return CONVERGED  # x stays: it is the point whose mapping is small
    copy_into(moved, x)
    return GOES_ON
