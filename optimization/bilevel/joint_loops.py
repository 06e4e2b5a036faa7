"""Loops of the rivals that move x and y together with a penalty: V-PBGD and BOME."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from optimization.bilevel.inner_loops import move_upper
from optimization.bilevel.runs import CONVERGED, DIVERGED, GOES_ON, ORACLE_ERROR, draw, finite

__all__ = ["joint_loop"]


@register_jitable
def joint_loop(o, arrays, steps, state, samples, tolerance, rng):
    """Z by T gradient steps on g; then (x, y) along grad f + lam (grad g(x, y) - (grad_x g(x, z), 0)).

    ``state.lower``: y, z. ``arrays``: step of (x, y), step of z, T, and lam; where that is 0 it is BOME's, with the
    balance eta, and z starts from y anew: lam = max(eta |grad q|^2 - <grad f, grad q>, 0) / |grad q|^2.
    """
    alpha, gamma, inner, multiplier, balance = arrays
    x, lower = state.x, state.lower
    dx, dy = x.size, lower.shape[1]
    y, z, moved, d = np.empty(dy), np.empty(dy), np.empty(dy), np.empty(dx)
    fx, gx, hx, fy, gy = np.empty(dx), np.empty(dx), np.empty(dx), np.empty(dy), np.empty(dy)
    no_x = np.empty(0) if o.skips_empty_outputs else np.empty(dx)
    no_y = np.empty(0) if o.skips_empty_outputs else np.empty(dy)
    for k in range(steps):
        lam = multiplier[k]
        for j in range(dy):
            y[j] = lower[0, j]
            z[j] = lower[1, j] if lam > 0.0 else y[j]
        for _ in range(inner[k]):
            o.lower_gradient(o.data, x, z, draw(samples, rng), no_x, gy)
            if not finite(gy):
                return k, ORACLE_ERROR
            for j in range(dy):
                z[j] -= gamma[k] * gy[j]
            o.project_lower(o.data, z)
        o.upper_gradient(o.data, x, y, draw(samples, rng), fx, fy)
        o.lower_gradient(o.data, x, y, draw(samples, rng), gx, gy)
        o.lower_gradient(o.data, x, z, draw(samples, rng), hx, no_y)
        if not (finite(fy) and finite(gy)):
            return k, ORACLE_ERROR
        if lam == 0.0:
            square, product = 0.0, 0.0
            for i in range(dx):
                square += (gx[i] - hx[i]) ** 2
                product += fx[i] * (gx[i] - hx[i])
            for j in range(dy):
                square += gy[j] ** 2
                product += fy[j] * gy[j]
            lam = max(balance[k] * square - product, 0.0) / square if square > 0.0 else 0.0
        for i in range(dx):
            d[i] = fx[i] + lam * (gx[i] - hx[i])
        for j in range(dy):
            moved[j] = y[j] - alpha[k] * (fy[j] + lam * gy[j])
        o.project_lower(o.data, moved)
        if not (finite(moved) and finite(z)):
            return k, DIVERGED
        code = move_upper(o, state, d, alpha[k], tolerance, rng)
        if code > CONVERGED:
            return k, code
        for j in range(dy):
            lower[0, j], lower[1, j] = moved[j], z[j]
        state.calls[0] += 1
        state.calls[1] += inner[k] + 2
        state.calls[4] += inner[k] + 1
        if code == CONVERGED:
            return k + 1, code
    return steps, GOES_ON
