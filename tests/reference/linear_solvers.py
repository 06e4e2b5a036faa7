"""Linear solvers from their definitions, with dense matrices."""

import numpy as np


def parts(A):
    """D, and the strictly lower part L."""
    return np.diag(np.diag(A)), np.tril(A, -1)


def splitting(A, method, omega):
    """The matrix M of x += M^-1 (b - A x)."""
    D, L = parts(A)
    W = D / omega + L
    if method == "jacobi":
        return D / omega
    if method == "sor":
        return W
    return omega / (2 - omega) * W @ np.linalg.inv(D) @ (D / omega + np.triu(A, 1))


def stationary(A, b, x0, method, omega, tolerance, most):
    """Iterates by dense solves until ||r|| <= tolerance ||r_0||: x, and the norms of all residuals."""
    M, x = splitting(A, method, omega), np.array(x0, dtype=float)
    norms = [np.linalg.norm(b - A @ x)]
    while norms[-1] > tolerance * norms[0] and len(norms) <= most:
        x = x + np.linalg.solve(M, b - A @ x)
        norms.append(np.linalg.norm(b - A @ x))
    return x, norms


def preconditioned_gradients(A, b, x0, M, tolerance, most):
    """Conjugate gradients with preconditioner M until ||r|| <= tolerance ||b||."""
    x = np.array(x0, dtype=float)
    r = b - A @ x
    norms, p, rho = [np.linalg.norm(r)], np.zeros_like(x), 1.0
    while norms[-1] > tolerance * np.linalg.norm(b) and len(norms) <= most:
        z = np.linalg.solve(M, r)
        before, rho = rho, r @ z
        p = z + (rho / before if len(norms) > 1 else 0.0) * p
        q = A @ p
        step = rho / (p @ q)
        x, r = x + step * p, r - step * q
        norms.append(np.linalg.norm(r))
    return x, norms


def sweep(A, b, x, omega, order=None):
    """One sweep of SOR, an unknown at a time."""
    x = np.array(x, dtype=float)
    for i in range(len(b)) if order is None else order:
        x[i] += omega * (b[i] - A[i] @ x) / A[i, i]
    return x
