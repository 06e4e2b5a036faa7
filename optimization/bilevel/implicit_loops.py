"""Loops of the methods that differentiate the lower solution: by its optimality condition, or through its iterations.

All of them move x along grad_x f - g_xy v, where v stands for g_yy^{-1} grad_y f. In SOBA's and SABA's code v has the
other sign; here it is the same for all.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from algos.bilevel_oracles import FIRST_RECORD
from optimization.bilevel.inner_loops import move_upper
from optimization.bilevel.runs import CONVERGED, DIVERGED, GOES_ON, INDEFINITE, ORACLE_ERROR, copy_into, draw, finite

__all__ = ["implicit_loop", "saba_loop", "unrolled_loop"]


@register_jitable
def implicit_loop(o, arrays, steps, state, samples, tolerance, rng):
    """T steps of y, then v by one of four rules, then x.

    ``state.lower``: y, v. ``arrays``: upper step, lower step, T, steps for v, what they are scaled with, and the rule:
    0 conjugate gradients from the last v, 1 the Neumann series of that many terms, 2 one product of random length,
    times their number (TTSA), 3 gradient steps on v'g_yy v / 2 - v'grad_y f from the last v, 4 the same, of the iterate
    before y moved, as all three unknowns move at once (SOBA).
    """
    alpha, gamma, inner, turns, scale, rule = arrays
    x, lower = state.x, state.lower
    dx, dy = x.size, lower.shape[1]
    y, v, r, p, product, at = (
        np.empty(dy), np.empty(dy), np.empty(dy), np.empty(dy), np.empty(dy), np.empty(dy),
    )  # fmt: skip
    fx, fy, gy, cross, d = np.empty(dx), np.empty(dy), np.empty(dy), np.empty(dx), np.empty(dx)
    no_x = np.empty(0) if o.skips_empty_outputs else np.empty(dx)
    for k in range(steps):
        kind, eta, count = rule[k], scale[k], turns[k]
        copy_into(lower[0], y)
        copy_into(lower[1], v)
        copy_into(y, at)
        for _ in range(inner[k]):
            o.lower_gradient(o.data, x, y, draw(samples, rng), no_x, gy)
            if not finite(gy):
                return k, ORACLE_ERROR
            for j in range(dy):
                y[j] -= gamma[k] * gy[j]
            o.project_lower(o.data, y)
        if kind != 4:
            copy_into(y, at)
        if not finite(y):
            return k, DIVERGED
        o.upper_gradient(o.data, x, at, draw(samples, rng), fx, fy)
        if not (finite(fx) and finite(fy)):
            return k, ORACLE_ERROR
        if kind == 4:  # x moves along the last v
            o.lower_cross_product(o.data, x, at, v, draw(samples, rng), cross)
        used = 0
        if kind == 0:
            o.lower_hessian_product(o.data, x, at, v, draw(samples, rng), product)
            used, square, size = 1, 0.0, 0.0
            for j in range(dy):
                r[j] = p[j] = fy[j] - product[j]
                square += r[j] * r[j]
                size += fy[j] * fy[j]
            while used <= count and square > eta * eta * size:
                o.lower_hessian_product(o.data, x, at, p, draw(samples, rng), product)
                used += 1
                curvature = 0.0
                for j in range(dy):
                    curvature += p[j] * product[j]
                if not curvature > 0.0:
                    return k, INDEFINITE if curvature <= 0.0 else ORACLE_ERROR
                ratio, before = square / curvature, square
                square = 0.0
                for j in range(dy):
                    v[j] += ratio * p[j]
                    r[j] -= ratio * product[j]
                    square += r[j] * r[j]
                for j in range(dy):
                    p[j] = r[j] + square / before * p[j]
        elif kind in (1, 2):
            terms = count if kind == 1 else int(rng.random() * count)
            for j in range(dy):
                p[j] = fy[j]
                v[j] = eta * fy[j]
            for _ in range(terms):
                o.lower_hessian_product(o.data, x, at, p, draw(samples, rng), product)
                used += 1
                for j in range(dy):
                    p[j] -= eta * product[j]
                    v[j] = v[j] + eta * p[j] if kind == 1 else eta * p[j]
            if kind == 2:
                for j in range(dy):
                    v[j] *= count
        else:
            for _ in range(count):
                o.lower_hessian_product(o.data, x, at, v, draw(samples, rng), product)
                used += 1
                for j in range(dy):
                    v[j] -= eta * (product[j] - fy[j])
        if not finite(v):
            return k, ORACLE_ERROR if not finite(product) else DIVERGED
        if kind != 4:
            o.lower_cross_product(o.data, x, at, v, draw(samples, rng), cross)
        for i in range(dx):
            d[i] = fx[i] - cross[i]
        code = move_upper(o, state, d, alpha[k], tolerance, rng)
        if code > CONVERGED:
            return k, code
        copy_into(y, lower[0])
        copy_into(v, lower[1])
        state.calls[0] += 1
        state.calls[1] += inner[k]
        state.calls[2] += used + 1
        state.calls[4] += inner[k]
        if code == CONVERGED:
            return k + 1, code
    return steps, GOES_ON


@register_jitable
def unrolled_loop(o, arrays, steps, state, samples, tolerance, rng):
    """T steps of y from where it was, differentiated in reverse. ``arrays``: upper step, lower step, T.

    Where the projection moved a point, its (symmetric) Jacobian is applied by a difference, exact for polyhedra up to
    rounding. Memory O(T dy).
    """
    alpha, gamma, inner = arrays
    x, lower = state.x, state.lower
    dx, dy = x.size, lower.shape[1]
    most = 1
    for k in range(steps):
        most = max(most, inner[k])
    path, before = np.empty((most + 1, dy)), np.empty((most + 1, dy))
    ahead, behind = np.empty(dy), np.empty(dy)
    numbers = np.empty(most, dtype=np.int64)
    fx, p, gy, product = np.empty(dx), np.empty(dy), np.empty(dy), np.empty(dy)
    cross, d = np.empty(dx), np.empty(dx)
    no_x = np.empty(0) if o.skips_empty_outputs else np.empty(dx)
    for k in range(steps):
        length, eta = inner[k], gamma[k]
        copy_into(lower[0], path[0])
        for t in range(length):
            numbers[t] = draw(samples, rng)
            o.lower_gradient(o.data, x, path[t], numbers[t], no_x, gy)
            if not finite(gy):
                return k, ORACLE_ERROR
            for j in range(dy):
                before[t + 1, j] = path[t + 1, j] = path[t, j] - eta * gy[j]
            o.project_lower(o.data, path[t + 1])
            if not finite(path[t + 1]):
                return k, DIVERGED
        o.upper_gradient(o.data, x, path[length], draw(samples, rng), fx, p)
        if not (finite(fx) and finite(p)):
            return k, ORACLE_ERROR
        copy_into(fx, d)
        for back in range(length):
            t = length - 1 - back
            moved, size = False, 0.0
            for j in range(dy):
                moved = moved or path[t + 1, j] != before[t + 1, j]
                size += p[j] * p[j]
            if moved and size > 0.0:
                small = 1e-7 / math.sqrt(size)
                for j in range(dy):
                    ahead[j], behind[j] = before[t + 1, j] + small * p[j], before[t + 1, j] - small * p[j]
                o.project_lower(o.data, ahead)
                o.project_lower(o.data, behind)
                for j in range(dy):
                    p[j] = (ahead[j] - behind[j]) / (2.0 * small)
            o.lower_cross_product(o.data, x, path[t], p, numbers[t], cross)
            o.lower_hessian_product(o.data, x, path[t], p, numbers[t], product)
            for i in range(dx):
                d[i] -= eta * cross[i]
            for j in range(dy):
                p[j] -= eta * product[j]
        code = move_upper(o, state, d, alpha[k], tolerance, rng)
        if code > CONVERGED:
            return k, code
        copy_into(path[length], lower[0])
        state.calls[0] += 1
        state.calls[1] += length
        state.calls[2] += 2 * length
        state.calls[4] += length
        if code == CONVERGED:
            return k + 1, code
    return steps, GOES_ON


@register_jitable
def saba_loop(o, arrays, steps, state, samples, tolerance, rng):
    """SOBA's steps with SAGA's estimators: a record is asked for, and what it said before is taken off.

    ``state.lower``: y, v. ``state.memory``: a row a record of grad_y g, g_yy v, grad_y f (dy each), g_xy v and grad_x f
    (dx each), and the mean of all in the last row. The first step asks every record. ``arrays``: upper and lower step.
    """
    alpha, gamma = arrays
    x, lower, memory = state.x, state.lower, state.memory
    dx, dy, n = x.size, lower.shape[1], memory.shape[0] - 1
    y, v = lower[0], lower[1]
    row, used, moved, d = np.empty(3 * dy + 2 * dx), np.empty(3 * dy + 2 * dx), np.empty(dy), np.empty(dx)
    for k in range(steps):
        starting = state.numbers[4] == 0.0
        asked = n if starting else 1
        if starting:
            for c in range(row.size):
                memory[n, c] = 0.0
        for turn in range(asked):
            i = turn if starting else int(rng.random() * n)
            record = FIRST_RECORD - i
            o.upper_gradient(o.data, x, y, record, row[3 * dy + dx :], row[2 * dy : 3 * dy])
            o.lower_gradient(o.data, x, y, record, used[3 * dy : 3 * dy + dx], row[:dy])
            o.lower_hessian_product(o.data, x, y, v, record, row[dy : 2 * dy])
            o.lower_cross_product(o.data, x, y, v, record, row[3 * dy : 3 * dy + dx])
            if not finite(row):
                state.numbers[4] = 0.0
                return k, ORACLE_ERROR
            for c in range(row.size):
                if starting:
                    memory[n, c] += row[c] / n
                else:
                    used[c] = row[c] - memory[i, c] + memory[n, c]
                    memory[n, c] += (row[c] - memory[i, c]) / n
                memory[i, c] = row[c]
        if starting:
            copy_into(memory[n], used)
        for c in range(dx):
            d[c] = used[3 * dy + dx + c] - used[3 * dy + c]
        for j in range(dy):
            moved[j] = y[j] - gamma[k] * used[j]
        o.project_lower(o.data, moved)
        if not finite(moved):
            return k, DIVERGED
        code = move_upper(o, state, d, alpha[k], tolerance, rng)
        if code > CONVERGED:
            return k, code
        for j in range(dy):
            y[j] = moved[j]
            v[j] -= gamma[k] * (used[dy + j] - used[2 * dy + j])
        state.numbers[4] = 1.0
        state.calls[0] += asked
        state.calls[1] += asked
        state.calls[2] += 2 * asked
        state.calls[4] += 1
        if code == CONVERGED:
            return k + 1, code
    return steps, GOES_ON
