"""A linear model trained under differential privacy on a user's table: behind ``regretlab private-train``.

Nothing is read off the records that is not paid for: scales of columns are declared, rows are brought to norm 1 one by
one, and the loss's constants are exact. Who has the scales measured from the table gets a model without a claim.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from algos.privacy import Adjacency, gaussian_mu
from experiments.whole_files import write_whole
from optimization.differentially_private import DPGD, PrivateSpiderBoost, descent_schedule, spider_schedule
from optimization.differentially_private.release import rho_for
from simulators.erm import LabelledTable, Loss, read_labelled_table

__all__ = ["TrainedModel", "read_labelled_table", "train_privately"]

Method = Literal["gradient descent", "spider"]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model and what may be said of it.

    Parameters
    ----------
    coefficients : dict of str to float
        Of each column divided by its scale, and ``constant``; rows are scaled to norm 1 before they are applied.
    epsilon, delta : float
    adjacency : str
    private : bool
        False where a bound was read off the table: then there is no claim.
    statement : str
    certificate : float
        A proved bound of the root mean square of true gradients over the iterates, or NaN.
    method : str
    """

    coefficients: dict[str, float]
    epsilon: float
    delta: float
    adjacency: str
    private: bool
    statement: str
    certificate: float
    method: str

    def write(self, path: str | Path) -> None:
        """Write it as JSON, whole or not at all."""
        found: dict[str, Any] = vars(self) | {"certificate": None if math.isnan(self.certificate) else self.certificate}
        write_whole(Path(path), (json.dumps(found, indent=2) + "\n").encode())


def train_privately(
    table: LabelledTable,
    *,
    model: str,
    epsilon: float,
    delta: float,
    scales: Sequence[float] | None,
    positive: str | None = None,
    method: Method = "gradient descent",
    steps: int | None = None,
    adjacency: Adjacency = "replace_one",
    gap: float | None = None,
) -> TrainedModel:
    """Train with exact noise from the operating system.

    Parameters
    ----------
    table : LabelledTable
    model : {"logistic", "sigmoid", "huber", "lorentz", "welsch", "geman"}
        The loss; the first two are of labels.
    epsilon, delta : float
        The budget.
    scales : sequence of float > 0, or None
        Declared for each column. None measures the largest sizes in the table, which spoils the claim of privacy.
    positive : str, optional
        The label that counts as 1, all others being -1; needed by losses of labels.
    method : {"gradient descent", "spider"}
        `DPGD` or `PrivateSpiderBoost`.
    steps : int >= 1, optional
        Releases; the tuned number when omitted.
    adjacency : {"replace_one", "add_remove"}
    gap : float > 0, optional
        F0, to be declared for losses of numbers.
    """
    measured = scales is None
    units = np.maximum(np.abs(table.features).max(axis=0), 1e-300) if scales is None else np.asarray(scales, float)
    loss = Loss(model)  # type: ignore[arg-type]
    problem = table.risk(loss, scales=units, positive=positive, initial_gap=gap)
    if method == "spider":
        tuned = spider_schedule(problem, epsilon, delta)
        horizon = tuned.horizon if steps is None else steps
        # Exact noise is accounted by zCDP, which is worth a little less: phases are shorter by as much.
        worth = 2.0 * rho_for(epsilon, delta) / gaussian_mu(epsilon, delta) ** 2
        phase = max(1, min(math.floor(1.0 + 0.999 * worth * (tuned.phase - 1)), horizon))
        trainer = PrivateSpiderBoost(epsilon, delta, phase, mode="release", adjacency=adjacency, output="last")
    elif method == "gradient descent":
        horizon = descent_schedule(problem, epsilon, delta) if steps is None else steps
        trainer = DPGD(epsilon, delta, mode="release", adjacency=adjacency, output="last")
    else:
        raise ValueError(f"method: {method!r} is neither 'gradient descent' nor 'spider'")
    found = trainer.run(problem, horizon, None).outcome
    statement = found["statement"]
    if measured:
        statement = (
            "No claim of privacy: the scales were measured from the table, which is a query that nothing was paid for. "
            "Declare them (--scales) to get one."
        )
    names = (*table.columns, "constant")
    return TrainedModel(
        dict(zip(names, found["iterate"].tolist(), strict=True)),
        math.inf if measured else found["epsilon"],
        delta,
        adjacency,
        not measured,
        statement,
        trainer.certificate(problem, horizon),
        f"{method}, {horizon} releases",
    )
