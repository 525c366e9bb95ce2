"""The inputs of all cases: bundles, reviews, a folder for logs, and durations."""

from dataclasses import dataclass
from pathlib import Path

from tools.chaos.clients import ClosedLoop, wrk
from tools.chaos.instance import Instance


@dataclass(frozen=True, kw_only=True)
class Context:
    """``bundle`` is served, ``other`` is a second valid bundle; ``reviews`` has a request body in each line."""

    bundle: Path
    other: Path
    folder: Path
    reviews: Path
    quick: bool
    minutes: float

    def log(self, name: str) -> Path:
        """Return the log file of the instance called ``name``."""
        return self.folder / f"{name}.log"

    def seconds(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    async def warm(self, *instances: Instance) -> None:
        """Warm up new workers."""
        for instance in instances:
            await wrk(instance.url, self.reviews, connections=4, seconds=1)

    async def capacity(self, instance: Instance) -> ClosedLoop:
        """Measure the capacity in a closed loop with too few connections to be refused."""
        return await wrk(instance.url, self.reviews, connections=8, seconds=self.seconds(8, 4))
