"""When a bilevel run ends by itself."""

import numpy as np

from optimization.bilevel import PenaltyDoubleLoop
from simulators.bilevel_problems import PLToy

METHOD = PenaltyDoubleLoop(sigma=0.01, alpha=0.01, inner_steps=50, rho=0.1, gamma=0.05)
START = ([3.0], [-5.0])  # on the border of X, far from the lower solution -3: the first directions leave X


def test_a_mapping_of_zero_at_the_border_ends_nothing_without_a_tolerance():
    problem = PLToy()
    run = METHOD.run(problem, 2000, np.random.default_rng(0), start=START, checkpoints=[2000])
    assert (run.outcome["status"], run.outcome["steps"]) == ("max_iter", 2000)
    assert abs(run.outcome["iterate"][0] - problem.local_minima[2]) < 1e-3


def test_with_a_tolerance_it_ends_there():
    run = METHOD.run(PLToy(), 2000, np.random.default_rng(0), start=START, tolerance=1e-6)
    assert (run.outcome["status"], run.outcome["steps"]) == ("converged", 1)
    assert run.outcome["iterate"].tolist() == [3.0]
