"""How much load, when: profiles as pieces of straight lines, and the arrival times that they give."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Segment(NamedTuple):
    """The rate goes in a straight line from ``start`` to ``end`` requests a second."""

    seconds: float
    start: float
    end: float


PROFILES = {
    "constant": "RATE for DURATION",
    "ramp": "from nothing to RATE over DURATION",
    "step": "up to RATE in --steps equal steps over DURATION",
    "spike": "--base, then RATE for a fifth of DURATION (or as --calm says), then --base again",
    "soak": "RATE for DURATION, an hour unless given",
    "breakpoint": "raises the rate from RATE until an objective breaks, each rate for DURATION, and closes in on it",
    "original": "the original's shape: 1,000 texts, 10 connections at once, 6 rounds",
}


def segments(
    profile: str, rate: float, seconds: float, *, steps: int = 5, base: float = 0, calm: float | None = None
) -> tuple[Segment, ...]:
    """Return the pieces of a profile that is known before it starts.

    A spike has ``calm`` seconds before it and after it, two fifths of all unless given.
    """
    match profile:
        case "constant" | "soak":
            return (Segment(seconds, rate, rate),)
        case "ramp":
            return (Segment(seconds, 0, rate),)
        case "step":
            heights = [rate * step / steps for step in range(1, steps + 1)]
            return tuple(Segment(seconds / steps, height, height) for height in heights)
        case "spike":
            around = seconds * 2 / 5 if calm is None else calm
            return (Segment(around, base, base), Segment(seconds - 2 * around, rate, rate), Segment(around, base, base))
    raise ValueError(profile)


def rises(pieces: Sequence[Segment]) -> float:
    """Return when the rate rises most steeply at once, 0 if it only does so at the start."""
    best, when, now, before = 0.0, 0.0, 0.0, 0.0
    for piece in pieces:
        if piece.start - before > best * 1.001:
            best, when = piece.start - before, now
        before, now = piece.end, now + piece.seconds
    return when


def arrivals(
    pieces: Sequence[Segment], *, part: int = 0, parts: int = 1, poisson: bool = True, seed: int = 1
) -> Iterator[float]:
    """Yield the seconds at which one of ``parts`` senders is to send.

    The parts of a Poisson process are Poisson processes themselves. Evenly spaced arrivals are dealt out in turn.
    """
    drawn = random.Random(f"{seed} {part} {parts}")  # noqa: S311
    wanted = drawn.expovariate(1 / parts) if poisson else part + 0.5
    done, began = 0.0, 0.0
    for seconds, start, end in pieces:
        count = (start + end) / 2 * seconds
        bend = (end - start) / (2 * seconds)
        while wanted < done + count:
            # The time at which the area under the line reaches what is wanted of it.
            area = wanted - done
            speed = start + math.sqrt(max(0.0, start * start + 4 * bend * area))
            yield began + (2 * area / speed if speed else 0.0)
            wanted += drawn.expovariate(1 / parts) if poisson else parts
        done, began = done + count, began + seconds
