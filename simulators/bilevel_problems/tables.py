"""Bilevel problems on real tables: shipped ones, and the diabetes table where scikit-learn brings it.

Source of the scaling, halves and wrong labels: section 11 of the project's specification.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from simulators.bilevel_problems.cleaning import HyperCleaning
from simulators.bilevel_problems.logistic import LogisticHPO
from simulators.bilevel_problems.ridge import RidgeHPO
from simulators.erm.data import breast_cancer_table, digits_table

__all__ = ["CleaningTask", "breast_cancer_regularization", "diabetes_regularization", "digits_cleaning"]


class CleaningTask(NamedTuple):
    """A cleaning problem with what a judge knows."""

    problem: HyperCleaning
    clean: NDArray[np.bool_]  # (n,), whether a training label is right
    test_features: NDArray[np.float64]  # (r, p)
    test_labels: NDArray[np.int64]  # (r,)


def digits_cleaning(*, batch_size: int = 1) -> CleaningTask:
    """Handwritten digits of which half the training labels are wrong; CC BY 4.0.

    Pixels are divided by 16 and a constant is appended, 65 columns. Rows 0-599 train, 600-899 validate, 900-1796 test.
    The label of training row i is wrong where (7919 i mod 100) < 50: y + 1 + (i mod 9), modulo 10, 300 rows.

    Parameters
    ----------
    batch_size : int >= 1

    Examples
    --------
    >>> task = digits_cleaning()
    >>> task.problem.upper_dimension, task.problem.lower_dimension, int(task.clean.sum()), task.test_labels.size
    (600, 650, 300, 897)
    """
    pixels, labels = digits_table()
    features = np.hstack([pixels / 16.0, np.ones((len(pixels), 1))])
    rows = np.arange(600)
    clean = 7919 * rows % 100 >= 50
    given = np.where(clean, labels[:600], (labels[:600] + 1 + rows % 9) % 10)
    problem = HyperCleaning(
        features[:600], given, features[600:900], labels[600:900], 10, regularization=0.01,
        batch_size=whole_number(batch_size, "batch_size", 1),
    )  # fmt: skip
    return CleaningTask(problem, clean, features[900:], labels[900:])


def breast_cancer_regularization(*, batch_size: int = 1) -> LogisticHPO:
    """Logistic regression of tumours, 569 records; rows 0-284 train, the others validate; CC BY 4.0.

    Columns are centred and divided by their deviation over all rows, and a constant is appended, 31 columns.

    Parameters
    ----------
    batch_size : int >= 1

    Examples
    --------
    >>> problem = breast_cancer_regularization()
    >>> problem.n_samples, problem.upper_dimension
    (285, 31)
    """
    features, labels = breast_cancer_table()
    table = np.hstack([_standardised(features), np.ones((len(features), 1))])
    return LogisticHPO(
        table[:285], labels[:285], table[285:], labels[285:], batch_size=whole_number(batch_size, "batch_size", 1)
    )


def diabetes_regularization(*, batch_size: int = 1) -> RidgeHPO:
    """Ridge regression of the diabetes table, 442 records of 10 features; rows 0-220 train, the others validate.

    The table carries no licence of its own and is not shipped: scikit-learn brings it. Features and target are centred
    and divided by their deviation over all rows.

    Parameters
    ----------
    batch_size : int >= 1

    Raises
    ------
    ModuleNotFoundError
        When scikit-learn is not installed.
    """
    try:
        sets = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the diabetes table comes with scikit-learn, which is not installed: pip install scikit-learn"
        ) from None
    features, targets = sets.load_diabetes(return_X_y=True, scaled=False)
    table, target = _standardised(features), _standardised(np.asarray(targets)[:, None])[:, 0]
    return RidgeHPO(
        table[:221], target[:221], table[221:], target[221:], batch_size=whole_number(batch_size, "batch_size", 1)
    )


def _standardised(table: np.ndarray) -> np.ndarray:
    table = np.asarray(table, dtype=np.float64)
    return np.asarray((table - table.mean(axis=0)) / table.std(axis=0))
