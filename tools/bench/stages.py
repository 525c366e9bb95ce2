"""µs of CPU a review by stage, in process: one review at a time and in batches. Each side has a process of its own."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tools.bench.children import child
from tools.bench.figures import OBVIOUS_CODE, OURS, SIDES, Row
from tools.bench.plan import Plan

GROUP, UNIT = "in process, CPU a review", "µs"
BATCHES = (1, 32, 256, 1_000)
# The obvious way has another model, so it has other scores.
AGREEMENT = Row("exactness", "largest difference from our scores", "stars")


def stage_row(size: int, stage: str) -> Row:
    """Return the row of a stage, or of the ``total``, for a batch size."""
    return Row(GROUP, f"{'single' if size == 1 else f'batch of {size:,}'}: {stage}", UNIT)


@contextmanager
def stages(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """The measurement of one round on one side."""
    texts = plan.scratch / "sample.json"
    texts.write_text(json.dumps(plan.sample), encoding="utf-8")
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(child("stage_process", name, plan.bundle, plan.obvious, texts)) for name in SIDES
        }
        # The first line of each: its scores of the sample.
        scores = {name: one.hear() for name, one in children.items()}

        def measure(side: str) -> Mapping[Row, float]:
            measured = {stage_row(size, stage): spent for size, stage, spent in children[side].ask("measure")}
            if side == OBVIOUS_CODE:
                measured[AGREEMENT] = max(abs(a - b) for a, b in zip(scores[OURS], scores[side], strict=True))
            return measured

        yield measure
