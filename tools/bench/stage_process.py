"""One side in a process of its own: says its scores of the sample, then measures whenever it is asked to.

python stage_process.py SIDE BUNDLE OBVIOUS_MODEL SAMPLE.json
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.bench.sides import Side, side
from tools.bench.stages import BATCHES

clock = time.process_time_ns


def measure(chain: Side, texts: Sequence[str]) -> Iterator[tuple[int, str, float]]:
    """Yield batch size, stage and µs of CPU a review."""
    for size in BATCHES:
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        spent = [0] * len(chain.stages)
        for batch in batches:
            value = batch[0] if size == 1 else batch
            for index, stage in enumerate(chain.stages):
                step = stage.one if size == 1 else stage.many
                begun = clock()
                value = step(value)
                spent[index] += clock() - begun
        reading = _reading() * len(batches)
        for stage, total in zip(chain.stages, spent, strict=True):
            yield size, stage.name, (total - reading) / len(texts) / 1000
        begun = clock()
        for batch in batches:
            if size == 1:
                chain.score(batch[0])
            else:
                chain.score_many(batch)
        yield size, "total", (clock() - begun) / len(texts) / 1000


def _reading() -> float:
    """Return how many nanoseconds of what is measured reading the clock itself takes."""
    times = 2_000
    return sum(-clock() + clock() for _ in range(times)) / times


def main(name: str, bundle: str, model: str, sample: str) -> None:
    """Answer every line of standard input."""
    texts = json.loads(Path(sample).read_text(encoding="utf-8"))
    chain = side(name, bundle=Path(bundle), model=Path(model))
    print(json.dumps([chain.score(text) for text in texts]), flush=True)
    for _ in sys.stdin:
        print(json.dumps(list(measure(chain, texts))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
