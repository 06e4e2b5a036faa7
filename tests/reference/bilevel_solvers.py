"""Bilevel methods written down step by step in NumPy, on a problem's Python methods."""

import numpy as np

WHOLE = -1


class Callbacks:
    """A problem without kernels: the same answers from Python methods."""

    def __init__(self, problem):
        self._problem = problem
        self.upper_dimension, self.lower_dimension = problem.upper_dimension, problem.lower_dimension
        self.constants, self.start = problem.constants, problem.start

    def __getattr__(self, name):
        if name == "kernels":
            raise AttributeError(name)
        return getattr(self._problem, name)


class Draws:
    """Sample numbers in the order in which a run draws them; `WHOLE` without sampling."""

    def __init__(self, rng, samples):
        self.rng, self.samples = rng, samples

    def __call__(self):
        return int(self.rng.random() * self.samples) if self.samples else WHOLE


def moved(problem, x, d, alpha, rng, draws):
    """The upper step; a run draws one number more for its random iterate."""
    rng.random()
    return problem.project_upper(x - alpha * d)


def double_loop(problem, steps, rng, samples, *, alpha, beta, sigma, pull, inner, batch, gamma_u, gamma_v):
    draws, (x, y) = Draws(rng, samples), problem.start
    z, path = y, []
    for k in range(steps):
        u, v = y, z
        for _ in range(inner):
            first, second, third = draws(), draws(), draws()
            slope = sigma(k) * problem.upper_gradient(x, u, first)[1] + problem.lower_gradient(x, u, second)[1]
            other = problem.lower_gradient(x, v, third)[1]
            u = problem.project_lower(u - gamma_u(k) * (slope + pull * (u - y)))
            v = problem.project_lower(v - gamma_v(k) * (other + pull * (v - z)))
        d = 0.0
        for _ in range(batch):
            first, second, third = draws(), draws(), draws()
            change = problem.lower_gradient(x, u, second)[0] - problem.lower_gradient(x, v, third)[0]
            d = d + (problem.upper_gradient(x, u, first)[0] + change / sigma(k)) / batch
        x = moved(problem, x, d, alpha(k), rng, draws)
        y, z = y + beta(k) * (u - y), z + beta(k) * (v - z)
        path.append((x, u, v))
    return path


def single_loop(problem, steps, rng, samples, *, alpha, beta, sigma, pull, gamma_u, gamma_v, eta):
    draws, (x, y) = Draws(rng, samples), problem.start
    z = wy = wz = y
    before, estimates, path = None, None, []
    for k in range(steps):
        numbers = draws(), draws(), draws()

        def ask(point, one, two, numbers=numbers):
            return [
                np.concatenate(problem.upper_gradient(point, one, numbers[0])),
                np.concatenate(problem.lower_gradient(point, one, numbers[1])),
                np.concatenate(problem.lower_gradient(point, two, numbers[2])),
            ]

        now = ask(x, wy, wz)
        if before is not None:
            past = ask(*before)
            now = [a + (1 - eta(k)) * (e - b) for a, e, b in zip(now, estimates, past, strict=True)]
        estimates, before, size = now, (x, wy, wz), x.size
        f, g, h = now
        slope = sigma(k) * f[size:] + g[size:] + pull * (wy - y)
        moved_y = problem.project_lower(wy - gamma_u(k) * slope)
        moved_z = problem.project_lower(wz - gamma_v(k) * (h[size:] + pull * (wz - z)))
        x = moved(problem, x, f[:size] + (g[:size] - h[:size]) / sigma(k), alpha(k), rng, draws)
        y, z = y + beta(k) * (moved_y - y), z + beta(k) * (moved_z - z)
        wy, wz = moved_y, moved_z
        path.append((x, wy, wz))
    return path


def vpbgd(problem, steps, rng, *, sigma, alpha, inner, step):
    x, y = problem.start
    z, path = y, []
    for _ in range(steps):
        for _ in range(inner):
            z = problem.project_lower(z - step * problem.lower_gradient(x, z)[1])
        fx, fy = problem.upper_gradient(x, y)
        gx, gy = problem.lower_gradient(x, y)
        d = fx + (gx - problem.lower_gradient(x, z)[0]) / sigma
        y = problem.project_lower(y - alpha * (fy + gy / sigma))
        x = problem.project_upper(x - alpha * d)
        path.append((x, y))
    return path


def bome(problem, steps, rng, *, alpha, inner, step, eta):
    (x, y), path = problem.start, []
    for k in range(steps):
        z = y
        for _ in range(inner):
            z = problem.project_lower(z - step * problem.lower_gradient(x, z)[1])
        f, g = problem.upper_gradient(x, y), problem.lower_gradient(x, y)
        q = np.concatenate([g[0] - problem.lower_gradient(x, z)[0], g[1]])
        lam = max(eta * q @ q - np.concatenate(f) @ q, 0.0) / (q @ q) if q @ q > 0 else 0.0
        y = problem.project_lower(y - alpha(k) * (f[1] + lam * g[1]))
        x = problem.project_upper(x - alpha(k) * (f[0] + lam * q[: x.size]))
        path.append((x, y))
    return path


def hessian(problem, x, y):
    """Of g in y, column by column."""
    return np.array([problem.lower_hessian_product(x, y, one) for one in np.eye(y.size)])


def implicit(problem, steps, rng, *, alpha, step, inner, solve, jointly=False):
    """``solve(H, b, v)`` gives the next v; jointly, everything is of the last point and x moves along the last v."""
    (x, y), path = problem.start, []
    v = np.zeros_like(y)
    for k in range(steps):
        at, last = y, v
        for _ in range(inner):
            y = problem.project_lower(y - step(k) * problem.lower_gradient(x, y)[1])
        if not jointly:
            at = y
        fx, fy = problem.upper_gradient(x, at)
        v = solve(hessian(problem, x, at), fy, v, k)
        d = fx - problem.lower_cross_product(x, at, last if jointly else v)
        x = problem.project_upper(x - alpha(k) * d)
        path.append((x, y))
    return path


def unrolled(problem, x, y, step, inner):
    """grad_x f(x, y_T(x)) by central differences through the iterations, from a fixed y."""

    def value(at):
        w = y
        for _ in range(inner):
            w = problem.project_lower(w - step * problem.lower_gradient(at, w)[1])
        return problem.upper(at, w), w

    d = [(value(x + e)[0] - value(x - e)[0]) / 2e-6 for e in 1e-6 * np.eye(x.size)]
    return np.array(d), value(x)[1]


def saba(problem, steps, rng, *, alpha, step):
    n, (x, y) = problem.n_records, problem.start
    v, path = np.zeros_like(y), []

    def row(i):
        fx, fy = problem.upper_gradient(x, y, -2 - i)
        return [
            problem.lower_gradient(x, y, -2 - i)[1], problem.lower_hessian_product(x, y, v, -2 - i), fy,
            problem.lower_cross_product(x, y, v, -2 - i), fx,
        ]  # fmt: skip

    memory = [row(i) for i in range(n)]
    used = [np.mean([one[c] for one in memory], axis=0) for c in range(5)]
    for k in range(steps):
        if k > 0:
            i = int(rng.random() * n)
            fresh = row(i)
            mean = [np.mean([one[c] for one in memory], axis=0) for c in range(5)]
            used = [a - b + m for a, b, m in zip(fresh, memory[i], mean, strict=True)]
            memory[i] = fresh
        gy, hv, fy, cv, fx = used
        new_y = problem.project_lower(y - step * gy)
        rng.random()
        x = problem.project_upper(x - alpha * (fx - cv))
        y, v = new_y, v - step * (hv - fy)
        path.append((x, y))
    return path
