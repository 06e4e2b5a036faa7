"""The experiment that is killed: real in all its stages, and over in a moment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.patches import Polygon

from algos.streams import algorithm_stream
from experiments.claims import Claim, exact
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.plots import new_figure

__all__ = ["EXPERIMENT"]


class Drawing(Experiment):
    """Uniform draws, their maximum as a claim, and the draws as a line."""

    name = "drawing"
    question = "Do the draws arrive?"
    source = "the tests"

    def cells(self, scale: Scale) -> list[Cell]:
        return [{"cell": index, "algorithm": "draw"} for index in range(8)]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        draws = algorithm_stream(seed, cell, 0).random(50)
        frame = pd.DataFrame({"index": np.arange(50), "draw": draws})
        frame.attrs["seconds"] = 0.25
        return frame

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        return [Claim("the draws lie below one", exact(float(results["draw"].max())), "<=", 1.0)]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        return []

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        figure, (axes,) = new_figure()
        axes.remove()  # text takes a second to lay out
        figure.set_layout_engine("none")
        figure.add_artist(Polygon(results[["index", "draw"]].to_numpy() / [50, 1], closed=False))
        return [NamedFigure("draws", "Draws", figure)]


EXPERIMENT = Drawing()
