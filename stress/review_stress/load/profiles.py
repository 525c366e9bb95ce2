"""Load profiles as linear segments of the arrival rate, and arrival times drawn from them."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Segment(NamedTuple):
    """A linear change of the arrival rate from ``start`` to ``end`` requests per second."""

    seconds: float
    start: float
    end: float


PROFILES = {
    "constant": "RATE for DURATION",
    "ramp": "from 0 to RATE over DURATION",
    "step": "up to RATE in --steps equal steps over DURATION",
    "spike": "--base, then RATE for a fifth of DURATION (or as --calm sets), then --base again",
    "soak": "RATE for DURATION (default: 1h)",
    "breakpoint": "search for the highest rate that meets the objectives, from RATE on, each rate for DURATION",
    "original": "the original measurement: 1,000 texts, 10 concurrent connections, 6 rounds",
}


def profile_segments(
    profile: str, rate: float, seconds: float, *, steps: int = 5, base: float = 0, calm: float | None = None
) -> tuple[Segment, ...]:
    """Return the segments of a profile that does not depend on results.

    A spike has ``calm`` seconds before and after it (default: two fifths of the duration each).
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


def steepest_rise(segments: Sequence[Segment]) -> float:
    """Return the time of the largest jump of the rate, or 0 if that is the start."""
    best, when, now, before = 0.0, 0.0, 0.0, 0.0
    for piece in segments:
        if piece.start - before > best * 1.001:
            best, when = piece.start - before, now
        before, now = piece.end, now + piece.seconds
    return when


def arrivals(
    segments: Sequence[Segment], *, part: int = 0, parts: int = 1, poisson: bool = True, seed: int = 1
) -> Iterator[float]:
    """Yield the times in seconds at which one of ``parts`` senders has to send.

    The parts of a Poisson process are Poisson processes. Evenly spaced arrivals are assigned round-robin.
    """
    drawn = random.Random(f"{seed} {part} {parts}")  # noqa: S311
    target = drawn.expovariate(1 / parts) if poisson else part + 0.5
    done, started = 0.0, 0.0
    for seconds, start, end in segments:
        count = (start + end) / 2 * seconds
        bend = (end - start) / (2 * seconds)
        while target < done + count:
            # Solve for the time at which the integral of the rate reaches the target count.
            area = target - done
            speed = start + math.sqrt(max(0.0, start * start + 4 * bend * area))
            yield started + (2 * area / speed if speed else 0.0)
            target += drawn.expovariate(1 / parts) if poisson else parts
        done, started = done + count, started + seconds
