"""Medians, quartiles and geometric means."""
import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median, and the quartiles around it."""
    median: float
    low: float
    high: float


def quantile(values, share):
    """Between the two nearest values, linearly. REQUIRES: values is not empty, 0 <= share <= 1."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values):
    return Spread(quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75))


def ratios(pairs):
    """ours / theirs of each pair. REQUIRES: theirs are not zero."""
    return [ours / theirs for ours, theirs in pairs]


def geometric_mean(values):
    """None of none. REQUIRES: all are positive."""
    values = list(values)
    if not values:
        return None
    return math.exp(sum(math.log(value) for value in values) / len(values))
