"""Learning problems: shipped tables with declared scaling, and synthetic ones."""

from __future__ import annotations

import csv
from importlib.resources import as_file, files
from typing import Literal

import numpy as np

from algos.contracts import check_generator, whole_number
from simulators.erm.linear_models import LinearModelRisk, unit_rows
from simulators.erm.losses import Loss

__all__ = ["breast_cancer", "breast_cancer_table", "digits", "digits_table", "low_rank_regression", "robust_regression"]

_CELL_SCALES = (
    *(32, 64, 256, 4096, 0.25, 0.5, 0.5, 0.25, 0.5, 0.125, 4, 8, 32, 1024, 0.03125, 0.25, 0.5, 0.0625, 0.125, 0.03125),
    *(64, 64, 256, 8192, 0.25, 2, 2, 0.5, 1, 0.25),
)  # declared powers of two, not read off the table


def breast_cancer(loss: Literal["sigmoid", "logistic"] = "sigmoid") -> LinearModelRisk:
    """Is a tumour benign? 569 records of 30 features and a constant, rows of norm 1; CC BY 4.0.

    Parameters
    ----------
    loss : {"sigmoid", "logistic"}

    Examples
    --------
    >>> risk = breast_cancer()
    >>> risk.n_records, risk.dimension, round(float(np.linalg.norm(risk.gradient(np.zeros(31)))), 10)
    (569, 31, 0.0700716537)
    """
    features, labels = breast_cancer_table()
    return LinearModelRisk(unit_rows(features, _CELL_SCALES), labels, Loss(loss))


def digits(loss: Literal["sigmoid", "logistic"] = "sigmoid") -> LinearModelRisk:
    """Is a handwritten digit 5 or more? 1797 records of 64 pixels and a constant, rows of norm 1; CC BY 4.0.

    Parameters
    ----------
    loss : {"sigmoid", "logistic"}
    """
    features, labels = digits_table()
    return LinearModelRisk(unit_rows(features, np.full(64, 16.0)), np.where(labels >= 5, 1.0, -1.0), Loss(loss))


def breast_cancer_table() -> tuple[np.ndarray, np.ndarray]:
    """The table as it is: 30 features of cell nuclei, shape (569, 30), and 1 for benign, -1 for malignant."""
    with as_file(files("simulators") / "data" / "breast_cancer.csv") as path, path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    table = np.array(rows[1:], dtype=np.float64)
    label = rows[0].index("benign")
    return np.delete(table, label, axis=1), 2 * table[:, label] - 1


def digits_table() -> tuple[np.ndarray, np.ndarray]:
    """The table as it is: pixels from 0 to 16, shape (1797, 64), and the digits 0 to 9."""
    with as_file(files("simulators") / "data" / "digits.npz") as path, np.load(path) as data:
        return data["X"].astype(np.float64), data["y"].astype(np.int64)


def robust_regression(
    n_records: int, dimension: int, rng: np.random.Generator, *, loss: Loss | None = None
) -> LinearModelRisk:
    """Rows uniform on the sphere, targets of a linear model of norm 3 with noise 0.1, and one in ten an outlier.

    Parameters
    ----------
    n_records, dimension : int >= 1
    rng : numpy.random.Generator
    loss : Loss, optional
        Lorentz with c = 1 when omitted; its value at 0, 2 on average at most, is declared as the gap.
    """
    n, d = whole_number(n_records, "n_records", 1), whole_number(dimension, "dimension", 1)
    source = check_generator(rng, "robust_regression")
    rows = source.standard_normal((n, d))
    return _robust(rows / np.linalg.norm(rows, axis=1, keepdims=True), source, loss)


def low_rank_regression(
    n_records: int, dimension: int, rank: int, rng: np.random.Generator, *, loss: Loss | None = None
) -> LinearModelRisk:
    """The same with rows of norm 1 in a subspace of the given rank.

    Parameters
    ----------
    n_records, dimension : int >= 1
    rank : int in 1..dimension
    rng : numpy.random.Generator
    loss : Loss, optional
    """
    n, d = whole_number(n_records, "n_records", 1), whole_number(dimension, "dimension", 1)
    r, source = whole_number(rank, "rank", 1), check_generator(rng, "low_rank_regression")
    if r > d:
        raise ValueError(f"rank: {r} is above the dimension, {d}")
    basis = np.linalg.qr(source.standard_normal((d, r)))[0].T
    rows = source.standard_normal((n, r)) @ basis
    return _robust(rows / np.linalg.norm(rows, axis=1, keepdims=True), source, loss)


def _robust(rows: np.ndarray, rng: np.random.Generator, loss: Loss | None) -> LinearModelRisk:
    n, d = rows.shape
    direction = rng.standard_normal(d)
    targets = rows @ (3.0 * direction / np.linalg.norm(direction)) + 0.1 * rng.standard_normal(n)
    outliers = rng.random(n) < 0.1
    targets = targets + outliers * 5.0 * rng.standard_normal(n)
    return LinearModelRisk(rows, targets, Loss("lorentz") if loss is None else loss, initial_gap=2.0)
