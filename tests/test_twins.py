"""Every kernel against its own source, interpreted all the way down, to the last bit.

``compiled=False`` interprets a policy's own functions; here what those call is interpreted as well.
"""

import importlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from algos import (
    clean_pages,
    g_optimal_design,
    max_det_collection,
    miss_ratio_curves,
    optimal_paging,
    phase_bits,
    predictions,
)
from algos.kernels import interpreted
from algos.knapsack import knapsack, slot_increments
from algos.optimal_design import rank_of_rows
from algos.soft_control import SoftControl
from bandits import (
    DPBAI,
    DPOD,
    IMED,
    KLUCB,
    LUCB1,
    MOSS,
    UCB,
    UCB1,
    UCBE,
    UCBV,
    AsymptoticUCB,
    BayesUCB,
    DecayingEpsilonGreedy,
    DiscountedUCB,
    DPBAIGauss,
    DPFixedConfidenceElimination,
    DPSequentialHalving,
    DPSuccessiveRejects,
    EpsilonGreedy,
    ExploreThenCommit,
    FixedConfidenceElimination,
    GaussianThompson,
    KLUCBPlusPlus,
    MedianElimination,
    ODLinBAI,
    RoundRobin,
    SequentialHalving,
    SlidingWindowUCB,
    Softmax,
    SuccessiveElimination,
    SuccessiveRejects,
    ThompsonSampling,
    TopTwoIdentification,
    UCBTuned,
    UniformRandom,
)
from online.autobidding import (
    SGDUCB,
    AdaptivePacing,
    BernsteinSGDUCB,
    DualMirrorDescent,
    FixedSplit,
    FullInformationDual,
    PIDPacing,
    ResolvingHull,
    RoSPacing,
    ThompsonDual,
    TwoConstraintPacing,
    UniformMultiplier,
)
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    Belady,
    BlindOracle,
    Clock,
    DiscardBitGuard,
    FlushWhenAllZeros,
    FlushWhenFull,
    FollowAndRobust,
    FollowThePrediction,
    Guard,
    LMarker,
    LNonMarker,
    Mark0,
    MarkAndPredict,
    Marker,
    OnlineMin,
    PredictiveMarker,
    RandomEviction,
    RobustFlushWhenAllZeros,
    RobustMark0,
    Sieve,
    TrustAndDoubt,
    mark0_instance_bound,
)
from optimization.bilevel import sampled_advantages, sampled_design_gradient
from simulators import (
    AuctionChannel,
    AugmentedMissingPage,
    BernoulliArms,
    BernoulliLinearArms,
    BetaLinearArms,
    CurveChannel,
    HistoryBits,
    LognormalArrivals,
    Market,
    MissingPage,
    NoisyBeladyBits,
    PLECOArrivals,
    PopularityArrivals,
    RewardTable,
    ThresholdBits,
    Trace,
    UniformLinearArms,
    ZipfTrace,
    page_ids,
    synthetic_market,
    traces,
)
from simulators.erm import LOSSES, LinearModelRisk, Loss, MeanRisk
from simulators.mdp import TwoStateMDP
from tests.reference.bilevel_instances import PROBLEMS, instance

MODULES = (
    "algos.counter_draws",
    "algos.gradient_codes.products",
    "algos.knapsack.positions",
    "algos.knapsack.solve",
    "algos.linear_solvers.adaptive",
    "algos.linear_solvers.chebyshev",
    "algos.linear_solvers.conjugate_gradients",
    "algos.linear_solvers.grid_solvers",
    "algos.linear_solvers.lattice",
    "algos.linear_solvers.preconditioners",
    "algos.linear_solvers.relaxation",
    "algos.linear_solvers.stencil",
    "algos.linear_solvers.theory",
    "algos.miss_ratio_curves",
    "algos.optimal_design",
    "algos.optimal_paging",
    "algos.phases",
    "algos.predictions",
    "algos.privacy.mechanisms",
    "algos.projections",
    "algos.replication_streams",
    "algos.soft_control.value_iteration",
    "bandits.batched",
    "bandits.bayes_ucb",
    "bandits.changing",
    "bandits.cheb_cb",
    "bandits.disjoint_linear",
    "bandits.divergences",
    "bandits.elimination",
    "bandits.exp3",
    "bandits.exp4",
    "bandits.fixed_budget",
    "bandits.fixed_confidence",
    "bandits.fixed_confidence_elimination",
    "bandits.gaussian_thompson",
    "bandits.greedy",
    "bandits.imed",
    "bandits.kl_ucb",
    "bandits.lin_ts",
    "bandits.linear",
    "bandits.moss",
    "bandits.phased_elimination",
    "bandits.plausible",
    "bandits.policy",
    "bandits.softmax",
    "bandits.sparse_cover",
    "bandits.square_cb",
    "bandits.thompson",
    "bandits.tsallis_inf",
    "bandits.tsallis_inf_contextual",
    "bandits.ucb",
    "bandits.ucb_variance",
    "bandits.uniform",
    "bandits.weighted_tallying",
    "online.autobidding.bidders",
    "online.autobidding.learning",
    "online.gradient_coding.master",
    "online.paging.arrivals",
    "online.paging.classical",
    "online.paging.clock",
    "online.paging.combiners",
    "online.paging.follow_and_robust",
    "online.paging.following",
    "online.paging.frequency",
    "online.paging.guard",
    "online.paging.online_min",
    "online.paging.phase_bits",
    "online.paging.policy",
    "online.paging.randomized",
    "online.paging.succinct",
    "online.paging.trust_and_doubt",
    "online.sor_tuning.tuning",
    "optimization.bilevel.parl_sampling",
    "simulators.adversarial",
    "simulators.arms",
    "simulators.arrival_predictors",
    "simulators.auctions.points",
    "simulators.bilevel_problems.cleaning",
    "simulators.bilevel_problems.compiled",
    "simulators.bilevel_problems.constrained",
    "simulators.bilevel_problems.counter_examples",
    "simulators.bilevel_problems.logistic",
    "simulators.bilevel_problems.moreau",
    "simulators.bilevel_problems.noise",
    "simulators.bilevel_problems.path_flows",
    "simulators.bilevel_problems.pl_toy",
    "simulators.bilevel_problems.quadratic",
    "simulators.bilevel_problems.quadratic_sums",
    "simulators.bilevel_problems.regularization",
    "simulators.bilevel_problems.ridge",
    "simulators.bit_predictors",
    "simulators.contextual",
    "simulators.erm.linear_models",
    "simulators.erm.losses",
    "simulators.erm.points",
    "simulators.linear_arms",
    "simulators.linear_systems.grids",
    "simulators.locality_traces",
    "simulators.loss_curves",
    "simulators.mdp.preferences",
    "simulators.mdp.trajectories",
    "simulators.misspecified_linear",
    "simulators.page_adversaries",
    "simulators.page_ids",
    "simulators.replayed_arms",
    "simulators.stragglers.delays",
    "simulators.stragglers.lambda_like",
    "simulators.stragglers.patterns",
    "simulators.synthetic_traces",
    "simulators.tallying_optimum",
    "simulators.tallying_worlds",
    "simulators.traces",
)
POLICIES = (
    *(LRU, FIFO, FlushWhenFull, Clock, LFU, Sieve, S3FIFO, ARC, Belady, RandomEviction, Marker),
    *(FlushWhenAllZeros, Mark0, MarkAndPredict, DiscardBitGuard),
    *(BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard),
    *(OnlineMin, FollowThePrediction, TrustAndDoubt, FollowAndRobust, RobustFlushWhenAllZeros, RobustMark0),
)
BANDITS = (
    *(UCB1(), UCB1(log_time="t", tie="random"), UCB(), UCB(0.1), AsymptoticUCB(), MOSS(), MOSS(anytime=True)),
    *(UCBV(), UCBTuned(), KLUCB(), KLUCB(loglog=3, level="log", tie="random"), KLUCB(level="f"), KLUCBPlusPlus()),
    *(KLUCB("gaussian"), KLUCB("poisson"), KLUCB("exponential"), IMED(), IMED(tie="random"), BayesUCB(5)),
    *(ThompsonSampling(), GaussianThompson(), Softmax(), EpsilonGreedy(tie="random"), DecayingEpsilonGreedy(0.5)),
    *(ExploreThenCommit(3), UniformRandom(), RoundRobin(), SuccessiveElimination()),
    *(DiscountedUCB(), DiscountedUCB(0.1), SlidingWindowUCB(7, tie="random")),
)
UNINTERPRETABLE = {"_highest_bit", "_ones_in"}  # one machine instruction each; tested against int's own


def kernels(module):
    return {name for name, value in vars(module).items() if isinstance(value, Dispatcher)}


def closures(source):
    """The cells in which a function, and what it calls through such cells, hold kernels that are not yet replaced."""
    for cell in source.__closure__ or ():
        kernel = cell.cell_contents
        if isinstance(kernel, Dispatcher):
            yield cell
            yield from closures(kernel.py_func)


def interpreted_all_the_way(call):
    """The value of a call while every kernel is its Python source."""
    with pytest.MonkeyPatch.context() as patch:

        def source_of(function):
            source = interpreted(function)
            for cell in closures(source):
                patch.setattr(cell, "cell_contents", cell.cell_contents.py_func)
            return source

        for name in MODULES:
            module = importlib.import_module(name)
            for kernel in kernels(module) - UNINTERPRETABLE:
                patch.setattr(module, kernel, source_of(getattr(module, kernel)))
            for table in [value for value in vars(module).values() if isinstance(value, dict)]:
                for key in [key for key, value in table.items() if isinstance(value, Dispatcher)]:
                    patch.setitem(table, key, source_of(table[key]))
            if hasattr(module, "as_interpreted"):  # kernels made for a policy, which no module holds
                patch.setattr(module, "as_interpreted", source_of)
        return call()


def agree(cases, run):
    """Assert that ``run(case, compiled)`` has the same bits in both forms, interpreted all the way down in one go."""
    slow = interpreted_all_the_way(lambda: [run(case, False) for case in cases])
    for case, trajectory in zip(cases, slow, strict=True):
        assert run(case, True).equals(trajectory), case


def test_no_module_with_kernels_is_forgotten():
    import pkgutil

    with_kernels = set()
    for package in ("algos", "bandits", "online", "optimization", "simulators"):
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            module = importlib.import_module(found.name)
            if any(
                value.py_func.__module__ == found.name
                for name, value in vars(module).items()
                if name in kernels(module)
            ):
                with_kernels.add(found.name)
    assert with_kernels == set(MODULES)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 6), st.integers(0, 2**32), st.data())
def test_eviction_policies(requests, k, seed, data):
    bits = data.draw(st.lists(st.integers(0, 1), min_size=len(requests), max_size=len(requests)))
    arrivals = data.draw(st.lists(st.integers(0, 60), min_size=len(requests), max_size=len(requests)))
    trace = Trace(requests, bits=bits, arrivals=arrivals)
    variants = (
        Mark0(k, eager=True),
        FlushWhenAllZeros(k, flush="relabel"),
        MarkAndPredict(k, deterministic=True),
    )
    agree(
        [*(policy(k) for policy in POLICIES), *variants],
        lambda policy, compiled: policy.run(trace, rng=np.random.default_rng(seed), compiled=compiled),
    )


def test_belady_over_several_levels_of_its_bitmap():
    trace = ZipfTrace(2000, 0.6, 20_000).sample(np.random.default_rng(2))
    slow = interpreted_all_the_way(lambda: Belady(300).run(trace, compiled=False))
    assert Belady(300).run(trace).equals(slow)


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(1, 200), st.integers(0, 2**32))
def test_bandit_policies(means, horizon, seed):
    arms = BernoulliArms(means)
    agree(BANDITS, lambda policy, compiled: policy.run(arms, horizon, np.random.default_rng(seed), compiled=compiled))


@settings(max_examples=8)
@given(st.sampled_from([2, 5, 6, 7, 45]), st.integers(1, 3), st.integers(0, 2**32))
def test_best_arm_policies(n_arms, dimension, seed):
    rng = np.random.default_rng(seed)
    features, theta = rng.random((n_arms, dimension)), rng.dirichlet(np.ones(dimension)) / 2
    budget = 20 * n_arms + 100
    table = RewardTable(rng.integers(0, 2, size=(n_arms, budget)), features)
    games = [
        (policy, arms)
        for arms in (BernoulliLinearArms(features, theta), table)
        for policy in (
            *(SequentialHalving(), SuccessiveRejects(), *([DPSuccessiveRejects(0.3)] if n_arms < 10 else [])),
            *(DPSequentialHalving(0.3, "discrete_laplace"), DPBAI(0.3), DPBAIGauss(0.3, 0.01), ODLinBAI()),
            *(DPOD(0.3), DPOD(0.3, "theta"), DPOD(0.3, "means")),
        )
    ]
    games += [(DPBAI(0.3), kind(features, theta)) for kind in (UniformLinearArms, BetaLinearArms)]
    games += [(DPBAI(0.3), BernoulliArms(features @ theta)), (DPBAI(0.3, out_of_range="clip"), table)]
    agree(games, lambda game, compiled: game[0].run(game[1], budget, np.random.default_rng(seed), compiled=compiled))


@settings(max_examples=10)
@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), min_size=1, max_size=4), st.integers(0, 2**32))
def test_policies_of_fixed_confidence(means, seed):
    arms = BernoulliArms(means)
    policies = (
        *(FixedConfidenceElimination(0.3), MedianElimination(0.9, 0.5), LUCB1(0.3, 0.2), TopTwoIdentification(0.3)),
        *(UCBE(2.0), DPFixedConfidenceElimination(5.0, 0.5)),
    )
    agree(policies, lambda policy, compiled: policy.run(arms, 2000, np.random.default_rng(seed), compiled=compiled))


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32))
def test_optimal_designs(n_arms, dimension, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_arms, dimension)) @ rng.normal(size=(dimension, dimension))
    subsets = rng.integers(0, n_arms, size=(5, 4))

    def values():
        found = max_det_collection(rows)
        return (
            *(part.tobytes() for part in found),
            g_optimal_design(rows).tobytes(),
            rank_of_rows(rows, subsets, 3).tobytes(),
        )

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 6))
def test_array_kernels(requests, k):
    def values():
        ids = np.array(requests, dtype=np.int64)
        span = int(np.ptp(ids)) + 1 if ids.size else 1
        low = ids.min() if ids.size else np.int64(0)
        codes, first, n_pages = page_ids._encode_by_table(ids, low, span)
        with np.errstate(over="ignore"):  # the hash multiplies modulo 2**64
            hashed, pages = page_ids._encode_by_hash(ids * 2**40, bits=4, batch=4)
        return (
            optimal_paging.next_use(requests, 10).tobytes(),
            optimal_paging.discard_bits(requests, 10, k).tobytes(),
            optimal_paging.optimal_fault_flags(requests, 10, k).tobytes(),
            (codes.tobytes(), first[:n_pages].tobytes(), n_pages),
            (hashed.tobytes(), pages.tobytes()),
            miss_ratio_curves.lru_fault_curve(requests, 10).tobytes(),
            miss_ratio_curves.optimal_fault_curve(requests, 10).tobytes(),
            optimal_paging.live_optimal_fault_flags(requests, 10, k).tobytes(),
            clean_pages(requests, 10, k).tobytes(),
            *(part.tobytes() for part in phase_bits(requests, 10, k)),
            mark0_instance_bound(requests, [page % 2 for page in requests], 10, k),
            predictions.arrival_ranks(np.array(requests) / 3).tobytes(),
            traces._invert(np.array([0.2, 0.7, 1.0]), 40, np.random.default_rng(len(requests))).tobytes(),
        )

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 6), st.integers(0, 2**32))
def test_predictors(requests, k, seed):
    trace = Trace(requests)
    for predictor in (
        PopularityArrivals(),
        PLECOArrivals(),
        NoisyBeladyBits(k, sigma=3.0),
        ThresholdBits(k, LognormalArrivals(3.0)),
        HistoryBits(k),
    ):
        fast = predictor.predict(trace, np.random.default_rng(seed))
        slow = interpreted_all_the_way(lambda p=predictor: p.predict(trace, np.random.default_rng(seed)))
        assert fast.tobytes() == slow.tobytes(), predictor


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 80), st.integers(0, 2**32))
def test_page_adversaries(k, more, length, seed):
    for policy in (FlushWhenFull(k), Mark0(k, eager=True), LNonMarker(k)):
        for adversary in (
            MissingPage(k + 1 + more, bit=1, arrival=0.0),
            AugmentedMissingPage(max(1, k - more), bit=1, arrival=0.0),
        ):
            fast = adversary.against(policy, length, np.random.default_rng(seed))
            slow = interpreted_all_the_way(
                lambda p=policy, a=adversary: a.against(p, length, np.random.default_rng(seed), compiled=False)
            )
            assert fast.fingerprint() == slow.fingerprint(), (policy, adversary)


@settings(max_examples=5)
@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([0.9, 1.0]))
def test_learners_of_budgets(seed, horizon, target):
    market = Market(
        {
            **synthetic_market(seed % 5).channels,
            "first": AuctionChannel(3, pricing="first-price"),
            "vcg": AuctionChannel(3, 3, pricing="vcg", rates=[0.5, 0.2]),
            "hill": CurveChannel("hill", 0.5, 0.5, noise=0.1),
            "power": CurveChannel("power", 0.5, 0.5),
            "logarithm": CurveChannel("logarithm", 0.5, 0.5),
            "saturation": CurveChannel("saturation", 0.5, 0.5),
        }
    )
    known = {"fallback": 0.1, "value_bound": 3.0, "guard": "budget", "cap": "none"}
    learners = [kind(1.0, target, preset="tuned", **known) for kind in (SGDUCB, BernsteinSGDUCB, ResolvingHull)]
    learners += [ThompsonDual(1.0, target, buffer=0.5, **known), FullInformationDual(1.0, target, **known)]
    learners += [FixedSplit(1.0, target, **known)]

    def values():
        runs = [learner.run(market, horizon, np.random.default_rng(seed), trace=True) for learner in learners]
        return [{key: np.asarray(value).tobytes() for key, value in run.outcome.items()} for run in runs]

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(0, 300))
def test_bidders_and_knapsacks(seed, n):
    rng = np.random.default_rng(seed)
    items = rng.random((2, n)) * (rng.random((2, n)) < 0.9)
    bidders = (
        *(UniformMultiplier(1.5, budget_rate=0.1), AdaptivePacing(0.1), AdaptivePacing(0.1, value_maximizer=True)),
        *(DualMirrorDescent(0.1), DualMirrorDescent(0.1, "entropy"), RoSPacing(1.5), RoSPacing(1.5, strict=True)),
        *(TwoConstraintPacing(0.1, 1.5, how) for how in ("coupled", "least", "sequential")),
        PIDPacing(0.1),
    )

    def values():
        found = [knapsack(*items, target, budget) for target in (0.0, 1.2) for budget in (0.2 * n, np.inf)]
        runs = [bidder.run(items, n, rng, trace=True).outcome for bidder in bidders]
        slots = slot_increments(items[0].reshape(-1, 1), items[1].reshape(-1, 1))
        return (
            [(one.x.tobytes(), one.value, one.spend, one.binding) for one in found],
            [(run["bids"].tobytes(), run["payments"].tobytes(), run["multipliers"].tobytes()) for run in runs],
            [part.tobytes() for part in slots],
        )

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 3), st.sampled_from([0.0, 0.4]))
def test_soft_control(seed, S, A, temperature):
    rng = np.random.default_rng(seed)
    control = SoftControl(rng.dirichlet(np.ones(S), size=(S, A)), np.full(S, 1 / S), 0.7, temperature)
    reward = rng.standard_normal((S, A))

    def values():
        found = control.solve(reward, solver="value_iteration")
        return found.values.tobytes(), found.sweeps, found.error_bound

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_designed_rewards(seed, horizon):
    world, policy = TwoStateMDP(horizon, prefers=True), np.full((horizon, 2, 2), 0.5)

    def values():
        drawn = world.trajectories(policy, 5, horizon, np.random.default_rng(seed))
        cost = world.cost(np.random.default_rng(seed).standard_normal(2), policy)
        return (*(part.tobytes() for part in drawn), cost.value, cost.direct.tobytes(), cost.weights.tobytes())

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=5)
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans(), st.booleans())
def test_sampled_design_gradients(seed, horizon, prefers, by_products):
    world = TwoStateMDP(horizon, prefers=prefers)
    logs = world.control.solve(world.reward([0.3, -0.2])).log_policy

    def values():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("optimization.bilevel.parl_sampling._LARGEST_MATRIX", 1 if by_products else 500)
            found = sampled_design_gradient(world, [0.3, -0.2], logs, 6, np.random.default_rng(seed))
        rises = sampled_advantages(world, [0.3, -0.2], logs, 6, horizon, np.random.default_rng(seed))
        parts = (found.gradient, found.standard_error, found.policy_gradient, rises)
        return [part.tobytes() for part in parts]

    assert interpreted_all_the_way(values) == values()


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 9), st.sampled_from(LOSSES))
def test_empirical_risks(seed, n, d, name):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    targets = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    w, before = 3 * rng.standard_normal((2, d))

    def values():
        risk = LinearModelRisk(rows, targets, Loss(name), row_bound=1.1)
        return (
            risk.value(w),
            risk.gradient_sum(w, clip=0.1, batch=np.arange(0, n, 2)).tobytes(),
            risk.variation_sum(w, before, clip=0.1).tobytes(),
            risk.lattice_gradient_sum(w, clip=0.1, step=2.0**-20).tobytes(),
            risk.lattice_variation_sum(w, before, clip=0.1, step=2.0**-20).tobytes(),
        )

    assert interpreted_all_the_way(values) == values()


@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 5))
def test_mean_risks(seed, n, d):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.25, 0.25, (n, d)) / math.sqrt(d)
    w, before = rng.standard_normal((2, d))

    def values():
        risk = MeanRisk(points)
        batch = np.arange(0, n, 2)
        return (
            risk.gradient_sum(w, clip=0.3, batch=batch).tobytes(),
            risk.variation_sum(w, before, clip=0.3).tobytes(),
        )

    assert interpreted_all_the_way(values) == values()


@pytest.mark.parametrize("name", PROBLEMS)
def test_bilevel_problems(name):
    problem, x, y, rng = instance(name)
    v = rng.standard_normal(y.size)

    def values():
        samples = [
            (
                *(part.tobytes() for part in problem.upper_gradient(x, y, sample)),
                *(part.tobytes() for part in problem.lower_gradient(x, y, sample)),
                problem.lower_hessian_product(x, y, v, sample).tobytes(),
                problem.lower_cross_product(x, y, v, sample).tobytes(),
            )
            for sample in (-1, 0, 2**40 + 1)
        ]
        return samples, problem.project_upper(9 * x).tobytes(), problem.project_lower(9 * y).tobytes()

    assert interpreted_all_the_way(values) == values()
