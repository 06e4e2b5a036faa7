"""Markets: responses against the knapsack of each period's auctions, streams, logs of a user, bad input."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.knapsack import knapsack, response_curve
from simulators.auctions import (
    AuctionChannel,
    AuctionLog,
    CurveChannel,
    FiniteChannel,
    ImpressionChannel,
    LoggedChannel,
    Market,
    half_hour_traffic,
    read_finite_market,
    sampled_channel,
    sampled_market,
    synthetic_market,
    traffic_regions,
    weekly_traffic,
)
from simulators.auctions.impressions import _EXPOSURE
from simulators.auctions.points import items_of_periods, period_responses


def rng(seed=0):
    return np.random.default_rng(seed)


CHANNELS = {
    "finite": FiniteChannel([0.3, 0.7], [[1.0, 2.0], []], [[0.5, 1.0], []]),
    "auctions": AuctionChannel(20, 3, reserve=0.1),
    "traffic": AuctionChannel(20, traffic=[1.0, 3.0], sample_conversions=True),
    "first": AuctionChannel(20, 2, pricing="first-price"),
    "vcg": AuctionChannel(10, 4, pricing="vcg", rates=[0.5, 0.3, 0.1], value_law="lognormal", bid_law="lognormal"),
    "gsp": AuctionChannel(10, 2, pricing="gsp", rates=[0.5, 0.3, 0.1], sample_conversions=True),
    "curve": CurveChannel("hill", 3.0, 0.5, noise=0.3),
    "log": LoggedChannel(np.array([0, 1, 1]), np.ones(3), np.array([1.0, 2.0, 0.5]), 3, order="bootstrap"),
    "impressions": ImpressionChannel(2000),
}


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 4), st.booleans())
def test_responses_are_those_of_the_knapsack(seed, periods, own_bids):
    own = rng(seed)
    n = own.integers(0, 12)
    period = own.integers(0, periods, n)
    value, cost = np.round(own.random(n), 1), np.round(own.random(n), 1)
    found = period_responses(items_of_periods(period, value, cost, None), periods, own_bids=own_bids)
    for t in range(periods):
        points = slice(found.starts[t], found.starts[t + 1])
        spends, values = found.spends[points], found.values[points]
        mine = period == t
        v, d = value[mine], cost[mine]
        if not own_bids:
            for budget in own.random(3) * 3:
                best = knapsack(v, d, 0.0, budget)
                assert np.interp(budget, spends, values) == pytest.approx(best.value, abs=1e-12)
            continue
        for budget in own.random(3) * 3:
            multiples = [0.0, *(d[v > 0] / v[v > 0])]
            won = [
                (k * v[(v > 0) & (d <= k * v + 1e-12)].sum(), v[(v > 0) & (d <= k * v + 1e-12)].sum())
                for k in multiples
            ]
            best = max(value for spend, value in won if spend <= budget + 1e-12)
            last = np.searchsorted(spends, budget + 1e-12, side="right") - 1
            assert values[last] == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("name", CHANNELS)
def test_blocks_of_any_length_are_the_same_periods(name):
    market = Market({name: CHANNELS[name]})
    whole = market.open(rng(5))
    parts = market.open(rng(5))
    budgets = np.array([0.7])
    one = [whole.respond(budgets) for _ in range(60)]
    from simulators.auctions.evaluation import evaluate

    block = parts.next(25)
    two = [evaluate(block, t, budgets) for t in range(25)]
    block = parts.next(35)
    two += [evaluate(block, t, budgets) for t in range(35)]
    np.testing.assert_allclose(np.array(one), np.array(two), rtol=1e-12)
    conversions, spends = np.array(one)[:, 0, 0], np.array(one)[:, 1, 0]
    assert np.all(conversions >= 0)
    assert np.all((spends >= 0) & (spends <= 0.7 + 1e-12))
    assert conversions.sum() > 0 or name == "impressions"


def test_a_channel_does_not_depend_on_those_beside_it():
    alone = Market({"auctions": CHANNELS["auctions"]}).open(rng(3))
    beside = Market({"curve": CHANNELS["curve"], "auctions": CHANNELS["auctions"]}).open(rng(3))
    for _ in range(3):
        assert alone.respond([1.0])[0][0] == beside.respond([1.0, 1.0])[0][1]


def test_the_laws_of_values_and_bids():
    n = 100_000
    values, prices = AuctionChannel(1, 4).stream(n, rng())
    assert values.mean() == pytest.approx(0.5, abs=6 * math.sqrt(1 / 12 / n))
    assert prices.mean() == pytest.approx(0.8, abs=6 * math.sqrt(0.0267 / n))  # the largest of four
    for correlation in (-1.0, 0.0, 0.9, 1.0):
        values, prices = AuctionChannel(1, correlation=correlation).stream(n, rng())
        # Of uniform variables with a Gaussian copula: 6/pi arcsin(c/2).
        expected = 6 / math.pi * math.asin(correlation / 2)
        assert np.corrcoef(values, prices)[0, 1] == pytest.approx(expected, abs=0.02)
    _, prices = AuctionChannel(1, reserve=0.6).stream(1000, rng())
    assert prices.min() == 0.6
    logs = np.log(AuctionChannel(1, value_law="lognormal", value_scale=2.0, spread=0.7).stream(n, rng())[0])
    assert logs.mean() == pytest.approx(math.log(2.0), abs=6 * 0.7 / math.sqrt(n))
    assert logs.std() == pytest.approx(0.7, abs=0.02)


def test_correlation_bends_the_response():
    good_is_dear, good_is_cheap = (
        sampled_channel(AuctionChannel(200, correlation=c), 20, rng()).mean_curve for c in (0.9, -0.9)
    )
    share = [curve(0.1 * curve.total_cost) / curve(curve.total_cost) for curve in (good_is_dear, good_is_cheap)]
    assert share[0] < 0.5 < share[1]


def test_traffic_scales_the_number_of_auctions():
    found = AuctionChannel(30, traffic=[1.0, 5.0]).open(rng()).next(400)
    counts = np.diff(found.starts) - 1
    assert counts[::2].mean() == pytest.approx(10, abs=6 * math.sqrt(10 / 200))
    assert counts[1::2].mean() == pytest.approx(50, abs=6 * math.sqrt(50 / 200))


def test_noise_has_mean_one():
    found = CurveChannel("logarithm", 1.0, 2.0, noise=0.5).open(rng()).next(100_000)
    assert found.factor.mean() == pytest.approx(1.0, abs=0.01)
    curves = [CurveChannel(*given)(2.0) for given in (("saturation", 3, 1), ("power", 3, 0.5), ("logarithm", 3, 1))]
    assert curves == pytest.approx([3 * (1 - math.exp(-2)), 3 * math.sqrt(2), 3 * math.log(3)])


def test_shipped_instances_are_as_their_description_says():
    for i in range(5):
        market = synthetic_market(i)
        assert market.names == ("channel 1", "channel 2", "channel 3")
        for channel in market.channels.values():
            assert len(channel.values) == 3
            assert all(row.sum() >= 1 for row in channel.costs)
            assert all(row.size == 15 for row in channel.costs)
        assert market.value_bound(1.0) < 1
    whole, degraded = (synthetic_market(0, loss=loss).channels["channel 1"].mean_curve(0.5) for loss in (0.0, 0.25))
    assert degraded == pytest.approx(0.75 * whole)


def test_traffic_profiles():
    assert len(traffic_regions()) == 114
    week = weekly_traffic(traffic_regions()[0])
    assert week.shape == (168,)
    assert week.sum() == pytest.approx(1.0)
    assert half_hour_traffic().shape == (48,)
    assert half_hour_traffic().sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="region: -1"):
        weekly_traffic(-1)


def test_a_sampled_market_has_the_periods_of_the_other():
    channel = AuctionChannel(5, 2)
    found = sampled_channel(channel, 3, rng(2))
    raw = channel.open(rng(2)).next(3)
    for t, curve in enumerate(found.curves):
        points = slice(raw.starts[t], raw.starts[t + 1])
        np.testing.assert_allclose(curve(raw.spends[points]), raw.values[points], atol=1e-12)
    market = sampled_market(Market({"a": channel, "b": channel}), 2, rng())
    assert market.names == ("a", "b")
    with pytest.raises(ValueError, match="piecewise linearly"):
        sampled_channel(CHANNELS["curve"], 2, rng())
    with pytest.raises(ValueError, match="concavely"):
        sampled_channel(AuctionChannel(50, sample_conversions=True), 2, rng())


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_a_plain_log(tmp_path, name):
    path = write(tmp_path / name, "channel,period,value,cost\nsearch,7,3,1\nvideo,7,1,1\nsearch,9,4,2\n")
    log = AuctionLog.from_file(path)
    assert log.names == ("search", "video")
    assert log.periods == 2
    assert log.curves()["search"].values.tolist() == [0.0, 3.0, 7.0]
    market = log.market()
    assert market.n_periods == 2
    running = market.open(rng())
    assert [running.respond([2.0, 2.0])[0].tolist() for _ in range(2)] == [[3.0, 1.0], [4.0, 0.0]]
    with pytest.raises(ValueError, match="the log has 2, and 3 are asked for"):
        running.next(1)
    assert AuctionLog.from_file(write(tmp_path / "short.csv", "value,cost\n1,2\n")).names == ("all",)
    assert market.distribution()[1][1][1].total_cost == 0.0


def test_a_log_as_parquet(tmp_path):
    import pandas as pd

    pd.DataFrame({"channel": ["a", "b"], "value": [1.0, 2.0], "cost": [0.5, 1.0]}).to_parquet(tmp_path / "log.parquet")
    assert AuctionLog.from_file(tmp_path / "log.parquet").names == ("a", "b")


def test_the_layouts_of_public_logs(tmp_path):
    columns = "deliveryPeriodIndex,advertiserNumber,timeStepIndex,pValue,leastWinningCost"
    path = write(tmp_path / "net.csv", f"{columns}\n7,0,0,0.1,0.5\n7,0,1,0.2,0.5\n8,3,0,0.3,0.5\n")
    log = AuctionLog.from_file(path)
    assert log.names == ("0", "3")
    assert log.periods == 3
    assert log.channels["0"][0].tolist() == [0, 1]
    columns = "campaign_id,period,contact_price_bin,AuctionWinBidSurplus,AuctionContactsSurplus"
    path = write(tmp_path / "bat.csv", f"{columns}\n5,1,2,4,2\n5,1,1,1,1\n5,1,3,1,2\n6,2,1,2,2\n")
    log = AuctionLog.from_file(path)
    assert log.names == ("5", "6")
    # Bins (1, 1), (4, 2), (1, 2) in order: a bid wins all up to its own, so the last two are worth buying together.
    period, value, cost = log.channels["5"]
    assert (period.tolist(), value.tolist(), cost.tolist()) == ([0, 0], [1.0, 4.0], [1.0, 5.0])
    assert AuctionLog.from_file(path, channel="contact_price_bin").names == ("1", "2", "3")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("value,cost\n1,2\n-1,2\n", "line 3, column value: '-1' is not a finite number >= 0"),
        ("value,cost\n1,2\n1,nan\n", "line 3, column cost: 'nan'"),
        ("value,cost\n1,\n", "line 2, column cost: ''"),
        ("value,cost\n\n1,2\n", "line 2, column value: ''"),
        ("value,price\n1,2\n", "line 1: needs the columns 'value' and 'cost'; found value, price"),
        ("value,cost,period\n1,2,0.5\n", "line 2, column period: '0.5' is not a whole number >= 0"),
        ("value,cost\n", "no rows"),
        ("", "No columns"),
        ("value,cost\n1,2,3,4\n", "line 2: more columns than the header names"),
        ("value,cost\n1,2\n1,2,3,4\n", "line 3"),
        ("contact_price_bin,AuctionWinBidSurplus,AuctionContactsSurplus\n1,2,3\n", "line 1: no column 'period'"),
    ],
)
def test_bad_logs_name_line_and_column(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        AuctionLog.from_file(write(tmp_path / "log.csv", text))


def test_bad_tables_of_instances(tmp_path):
    head = "channel,realisation,prob,value,cost\n"
    good = read_finite_market(write(tmp_path / "a.csv", f"{head}tv,0,0.5,1,2\ntv,1,0.5,3,4\n"))
    assert good.names == ("tv",)
    for text, says in (
        (f"{head}tv,0,0.5,-1,2\n", "line 2, column value: '-1'"),
        (f"{head}tv,0,0.5,1,2\ntv,0,0.4,1,2\n", "line 3, column prob: 0.4 differs from 0.5 above"),
        (f"{head}tv,0,0.5,1,2\n", "probabilities: they sum to 0.5, not 1"),
        ("channel,prob,value,cost\n", "no column 'realisation'"),
        (head, "no rows of instance 0"),
    ):
        with pytest.raises(ValueError, match=says):
            read_finite_market(write(tmp_path / "b.csv", text))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: FiniteChannel([0.5], [[1.0]], [[1.0]]), "they sum to 0.5"),
        (lambda: FiniteChannel([1.0], [[1.0]], [[1.0, 2.0]]), "with as many auctions each"),
        (lambda: FiniteChannel([1.0], [[-1.0]], [[1.0]]), "finite numbers >= 0"),
        (lambda: FiniteChannel([1.0], [[np.nan]], [[1.0]]), "finite numbers >= 0"),
        (lambda: AuctionChannel(5, pricing="gsp"), "rates: the slots' click rates are needed"),
        (lambda: AuctionChannel(5, pricing="gsp", rates=[0.1, 0.2]), "rates: must not increase"),
        (lambda: AuctionChannel(5, value_scale=2.0, sample_conversions=True), "values must be probabilities"),
        (lambda: AuctionChannel(5, correlation=2.0), "correlation = 2.0"),
        (lambda: AuctionChannel(0), "auctions = 0"),
        (lambda: CurveChannel("power", 1.0, 2.0), "b = 2.0: must be at most 1"),
        (lambda: CurveChannel("hill", 0.0, 2.0), "a = 0.0"),
        (lambda: Market({}), "at least one channel"),
        (lambda: Market({"a": 1}), "must map names to channels"),
        (lambda: LoggedChannel(np.array([0, 5]), np.ones(2), np.ones(2), 3), r"period: must be in 0..2"),
        (lambda: LoggedChannel(np.array([0]), np.array([-1.0]), np.ones(1), 3), "value: must be finite"),
        (lambda: LoggedChannel(np.array([0.0]), np.ones(1), np.ones(1), 3), "periods whole numbers"),
        (lambda: synthetic_market(5), "instance: 5 is not in 0..4"),
        (lambda: ImpressionChannel(agent=48), "agent = 48"),
        (lambda: Market(CHANNELS["curve"]).open(rng()).respond([-1.0]), "budgets: "),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_day_of_impressions():
    assert _EXPOSURE.tolist() == pytest.approx([1.0, 0.8, 0.48])  # the third slot only where the second was seen
    expected = ImpressionChannel(4000, sample_conversions=False).open(rng(1)).next(48)
    drawn = ImpressionChannel(4000).open(rng(1)).next(48)
    np.testing.assert_allclose(expected.spends, drawn.spends)
    assert set(np.unique(np.diff(drawn.values)[np.diff(drawn.values) >= 0])) <= {0.0, 1.0}
    ends = expected.starts[1:] - 1
    total = expected.values[ends].sum()
    assert abs(drawn.values[ends].sum() - total) < 6 * math.sqrt(total)
    assert expected.spends.max() > 0
    assert response_curve(np.ones(1), np.ones(1)).total_cost == 1
