"""Tabular Markov decision processes whose reward a designer chooses, and what the designer wants."""

from simulators.mdp.preferences import PreferenceOracle
from simulators.mdp.rewards import LinearReward, SmoothReward
from simulators.mdp.tabular import TabularMDP
from simulators.mdp.trajectories import draw_trajectories
from simulators.mdp.worlds import GridWorld, RandomMDP, RobotEnergy, TaxBandit, TwoStateMDP

__all__ = [
    "GridWorld",
    "LinearReward",
    "PreferenceOracle",
    "RandomMDP",
    "RobotEnergy",
    "SmoothReward",
    "TabularMDP",
    "TaxBandit",
    "TwoStateMDP",
    "draw_trajectories",
]
