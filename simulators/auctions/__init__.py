"""Advertising markets: channels whose autobidders answer a budget with conversions."""

from simulators.auctions.auction import AuctionChannel
from simulators.auctions.finite import FiniteChannel, read_finite_market, synthetic_market
from simulators.auctions.impressions import ImpressionChannel
from simulators.auctions.log import AuctionLog, LoggedChannel
from simulators.auctions.market import Channel, ChannelResponses, Market, OpenChannel, OpenMarket
from simulators.auctions.parametric import CurveChannel
from simulators.auctions.sampled import sampled_channel, sampled_market
from simulators.auctions.traffic import half_hour_traffic, traffic_regions, weekly_traffic

__all__ = [
    "AuctionChannel",
    "AuctionLog",
    "Channel",
    "ChannelResponses",
    "CurveChannel",
    "FiniteChannel",
    "ImpressionChannel",
    "LoggedChannel",
    "Market",
    "OpenChannel",
    "OpenMarket",
    "half_hour_traffic",
    "read_finite_market",
    "sampled_channel",
    "sampled_market",
    "synthetic_market",
    "traffic_regions",
    "weekly_traffic",
]
