"""CPU µs per review and stage, in process, for single reviews and batches. Each side has its own process."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tools.bench.figures import BASELINE_CODE, SERVICE, SIDES, Row
from tools.bench.plan import Plan
from tools.bench.servers.child import child

GROUP, UNIT = "in process, CPU per review", "µs"
BATCHES = (1, 32, 256, 1_000)
# Only for BASELINE_CODE: the baseline has another model, hence other scores.
AGREEMENT = Row("exactness", "largest difference from the service's scores", "stars")


def stage_row(size: int, stage: str) -> Row:
    """Return the row of a stage, or of ``total``, for a batch size."""
    return Row(GROUP, f"{'single' if size == 1 else f'batch of {size:,}'}: {stage}", UNIT)


@contextmanager
def stages(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of one side."""
    texts = plan.scratch / "sample.json"
    texts.write_text(json.dumps(plan.sample), encoding="utf-8")
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(child("stage_process", name, plan.bundle, plan.baseline, texts)) for name in SIDES
        }
        # The first line of each process has its scores of the sample.
        scores = {name: one.receive() for name, one in children.items()}

        def measure(side: str) -> Mapping[Row, float]:
            measured = {stage_row(size, stage): spent for size, stage, spent in children[side].ask("measure")}
            if side == BASELINE_CODE:
                measured[AGREEMENT] = max(abs(a - b) for a, b in zip(scores[SERVICE], scores[side], strict=True))
            return measured

        yield measure
