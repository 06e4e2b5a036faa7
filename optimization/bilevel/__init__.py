"""Bilevel optimization with first-order and implicit methods."""

from optimization.bilevel.first_order import BOME, F2BA, F2SA, F3SA, VPBGD
from optimization.bilevel.implicit import AID, ITD, SABA, SOBA, TTSA, AmIGO, StocBiO
from optimization.bilevel.penalty import PenaltyDoubleLoop, PenaltySingleLoop
from optimization.bilevel.schedules import Counts, PowerLaw, inner_steps_for

__all__ = [
    "AID",
    "BOME",
    "F2BA",
    "F2SA",
    "F3SA",
    "ITD",
    "SABA",
    "SOBA",
    "TTSA",
    "VPBGD",
    "AmIGO",
    "Counts",
    "PenaltyDoubleLoop",
    "PenaltySingleLoop",
    "PowerLaw",
    "StocBiO",
    "inner_steps_for",
]
