"""Prediction ids sort by time and are unique across processes."""

import os
import re
import time

from review_scorer.prediction_log.prediction_ids import ID, new_id

WORKERS, IDS = 8, 100


def ids_of_a_forked_process() -> list[str]:
    """Return ids that a child of this process made."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "\n".join(new_id() for _ in range(IDS)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="ascii") as pipe:
        ids = pipe.read().split()
    os.waitpid(child, 0)
    return ids


def test_an_id_is_a_uuid_of_version_7_with_the_time_of_its_creation() -> None:
    before = time.time()
    ids = [new_id() for _ in range(2_000)]
    assert all(re.match(ID, each) for each in ids)
    milliseconds = [int(each[:8] + each[9:13], 16) for each in ids]
    assert before - 0.001 <= milliseconds[0] / 1000 <= milliseconds[-1] / 1000 <= time.time()


def test_ids_of_one_process_sort_by_creation() -> None:
    ids = [new_id() for _ in range(2_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 2_000


def test_forked_processes_share_no_random_bits() -> None:
    ids = [new_id() for _ in range(IDS)]  # the children inherit a random state that was used
    for _ in range(WORKERS):
        ids += ids_of_a_forked_process()
    assert len(ids) == len(set(ids)) == (1 + WORKERS) * IDS
    # Of a shared state the last 32 bits would repeat, in whichever millisecond; by chance they do once in 10,000 runs.
    assert len({each[-8:] for each in ids}) == len(ids)
