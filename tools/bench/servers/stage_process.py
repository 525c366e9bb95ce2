"""One side in its own process: prints its scores of the sample, then measures once for each line of standard input.

python -m tools.bench.servers.stage_process SIDE BUNDLE BASELINE_MODEL SAMPLE.json
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.bench.experiments.stages import BATCHES
from tools.bench.servers.sides import Side, side

clock = time.process_time_ns


def measure(chain: Side, texts: Sequence[str]) -> Iterator[tuple[int, str, float]]:
    """Yield batch size, stage and CPU µs per review."""
    for size in BATCHES:
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        spent = [0] * len(chain.stages)
        for batch in batches:
            value = batch[0] if size == 1 else batch
            for index, stage in enumerate(chain.stages):
                step = stage.one if size == 1 else stage.many
                started = clock()
                value = step(value)
                spent[index] += clock() - started
        overhead = _clock_overhead() * len(batches)
        for stage, total in zip(chain.stages, spent, strict=True):
            yield size, stage.name, (total - overhead) / len(texts) / 1000
        started = clock()
        for batch in batches:
            if size == 1:
                chain.score(batch[0])
            else:
                chain.score_many(batch)
        yield size, "total", (clock() - started) / len(texts) / 1000


def _clock_overhead() -> float:
    """Return how many nanoseconds of each measurement reading the clock takes."""
    times = 2_000
    return sum(-clock() + clock() for _ in range(times)) / times


def main(name: str, bundle: str, model: str, sample: str) -> None:
    """Measure once for each line of standard input."""
    texts = json.loads(Path(sample).read_text(encoding="utf-8"))
    chain = side(name, bundle=Path(bundle), model=Path(model))
    print(json.dumps([chain.score(text) for text in texts]), flush=True)
    for _ in sys.stdin:
        print(json.dumps(list(measure(chain, texts))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
