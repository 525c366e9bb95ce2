"""The image under test."""

import time
from dataclasses import dataclass

from tools.container.engine import Engine, build_secrets

IMAGE = "lightgbm-clf:tested"


@dataclass(frozen=True)
class Built:
    """An image, its base, and the duration of each build."""

    name: str
    base: str
    seconds: dict[str, float]


def build(docker: Engine, base_image: str, *options: str, tag: str = IMAGE) -> float:
    """Build the image; return the duration in seconds."""
    started = time.monotonic()
    docker.run(
        "build", "--network", "host", *build_secrets(), "--build-arg", f"BASE={base_image}", *options, "-t", tag, "."
    )
    return time.monotonic() - started
