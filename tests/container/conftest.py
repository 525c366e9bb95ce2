"""One engine and one image for all container tests."""

import time
from collections.abc import Iterator

import pytest
from engine import PYTHON, ROOT, Engine, base, engine
from image import IMAGE, Built, build


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    with engine() as running:
        yield running


@pytest.fixture(scope="session")
def built(docker: Engine) -> Iterator[Built]:
    base_image = base(docker, PYTHON)
    cold = build(docker, base_image)
    warm = build(docker, base_image)
    # Any byte in the served code; the file is in the build context and imported by nobody.
    touched = ROOT / "service" / "touched_by_a_test.py"
    touched.write_text(f'"""Made by a test at {time.time()}."""\n')
    try:
        code_only = build(docker, base_image, tag="lightgbm-clf:code-only")
    finally:
        touched.unlink()
    yield Built(IMAGE, base_image, {"cold": cold, "warm": warm, "code-only change": code_only})
    docker.run("image", "rm", "-f", IMAGE, "lightgbm-clf:code-only", check=False)
