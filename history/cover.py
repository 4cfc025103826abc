"""From which table each moment of a question is answered, so that the answer is what brute force would say: pure.

A whole bucket comes from the coarsest roll-up that has it, unless a late reading made it dirty; everything else (the
edges of a binding, dirty hours, what was not rolled up yet) from the next finer one, and in the end from raw readings.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from history.resolution import EPOCH, HOUR, WIDTHS, Resolution, ceiling, floor


@dataclass(frozen=True, slots=True)
class Known:
    """What the roll-ups hold, half-open; EPOCH stands for "since ever" as a beginning and "nothing" as an end."""

    rolled_up_to: datetime = EPOCH
    raw_from: datetime = EPOCH
    minutes_from: datetime = EPOCH
    hours_from: datetime = EPOCH
    days_from: datetime = EPOCH
    days_up_to: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Piece:
    """[since, until) is answered from the roll-up `source`, or from raw readings."""

    source: Resolution
    since: datetime
    until: datetime


class _Grid(Protocol):
    def floor(self, at: datetime) -> datetime: ...

    def ceiling(self, at: datetime) -> datetime: ...


@dataclass(frozen=True, slots=True)
class _Even:
    width: timedelta

    def floor(self, at: datetime) -> datetime:
        return floor(at, self.width)

    def ceiling(self, at: datetime) -> datetime:
        return ceiling(at, self.width)


@dataclass(frozen=True, slots=True)
class _Days:
    """`edges` reach beyond whatever is asked."""

    edges: Sequence[datetime]

    def floor(self, at: datetime) -> datetime:
        return self.edges[bisect_right(self.edges, at) - 1]

    def ceiling(self, at: datetime) -> datetime:
        return self.edges[bisect_left(self.edges, at)]


@dataclass(frozen=True, slots=True)
class _Layer:
    """`worth`: what is shorter than this comes from the next finer layer, though this one may have it."""

    source: Resolution
    grid: _Grid
    since: datetime
    until: datetime
    worth: timedelta = timedelta(0)


def cover(
    since: datetime,
    until: datetime,
    resolution: Resolution,
    known: Known,
    dirty: Sequence[datetime],
    edges: Sequence[datetime],
) -> list[Piece]:
    """Pieces of one device's [since, until) in order. What retention dropped from every table is in none of them.

    `dirty`: ascending hours with late readings. `edges`: `midnights` of the whole question where `resolution` is days.
    """
    layers = []
    if resolution is Resolution.DAY:
        layers.append(_Layer(Resolution.DAY, _Days(edges), known.days_from, known.days_up_to))
    if resolution in (Resolution.DAY, Resolution.HOUR):
        layers.append(_Layer(Resolution.HOUR, _Even(HOUR), known.hours_from, known.rolled_up_to))
    minute = WIDTHS[Resolution.MINUTE]
    # The part of an hour needs raw readings at its end in any case: one more table would cost a plan of its own, and
    # saves a few hundred rows at most.
    worth = minute if resolution is Resolution.MINUTE else HOUR
    layers.append(_Layer(Resolution.MINUTE, _Even(minute), known.minutes_from, known.rolled_up_to, worth))
    # An hour whose raw readings are gone can't be computed again: the roll-up is all there is, and it stays.
    repairable = [hour for hour in dirty if hour >= known.raw_from]
    return _cover(since, until, layers, known.raw_from, repairable)


def _cover(
    since: datetime, until: datetime, layers: Sequence[_Layer], raw_from: datetime, dirty: Sequence[datetime]
) -> list[Piece]:
    if since >= until:
        return []
    if not layers:
        since = max(since, raw_from)
        return [Piece(Resolution.RAW, since, until)] if since < until else []
    layer, *finer = layers
    if until - since < layer.worth and since >= raw_from:
        return _cover(since, until, finer, raw_from, dirty)
    begin, end = _whole_buckets(layer, since, until)
    if begin >= end:
        return _cover(since, until, finer, raw_from, dirty)
    found = _cover(since, begin, finer, raw_from, dirty)
    at = begin
    for low, high in _spoilt(layer.grid, begin, end, dirty):
        if at < low:
            found.append(Piece(layer.source, at, low))
        found += _cover(low, high, finer, raw_from, dirty)
        at = high
    if at < end:
        found.append(Piece(layer.source, at, end))
    return found + _cover(end, until, finer, raw_from, dirty)


def _whole_buckets(layer: _Layer, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The part of [since, until) that the layer holds, in whole buckets; the first is not before the second: none."""
    low, high = max(since, layer.since), min(until, layer.until)
    return (layer.grid.ceiling(low), layer.grid.floor(high)) if low < high else (high, high)


def _spoilt(grid: _Grid, begin: datetime, end: datetime, dirty: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """The buckets of [begin, end) that hold a dirty hour or a part of one, neighbours joined."""
    found: list[tuple[datetime, datetime]] = []
    for hour in dirty[max(0, bisect_left(dirty, begin) - 1) :]:
        if hour >= end:
            break
        low, high = max(begin, grid.floor(hour)), min(end, grid.ceiling(min(hour + HOUR, end)))
        if low >= high:
            continue
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found
