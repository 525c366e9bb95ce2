"""What every case is given: the bundles, the reviews, a folder for what is written, and how long to take."""

from dataclasses import dataclass
from pathlib import Path

from tools.chaos.clients import Closed, wrk
from tools.chaos.instance import Instance


@dataclass(frozen=True, kw_only=True)
class Scene:
    """``bundle`` serves, ``other`` is a second good one; ``reviews`` are request bodies, one a line."""

    bundle: Path
    other: Path
    folder: Path
    reviews: Path
    quick: bool
    minutes: float

    def log(self, name: str) -> Path:
        """Where an instance of that name is to log."""
        return self.folder / f"{name}.log"

    def seconds(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    async def warm(self, *instances: Instance) -> None:
        """Let workers that are new do what every first time is slower."""
        for instance in instances:
            await wrk(instance.url, self.reviews, connections=4, seconds=1)

    async def capacity(self, instance: Instance) -> Closed:
        """Keep the instance busy, with a queue too short for it to refuse anything."""
        return await wrk(instance.url, self.reviews, connections=8, seconds=self.seconds(8, 4))
