"""Random bytes come in one order from a pool, and no two processes share one."""

import os

from review_scorer.prediction_log.randomness import random_bytes


def test_no_bytes_are_given_twice() -> None:
    given = [random_bytes(10) for _ in range(5_000)]
    assert all(len(each) == 10 for each in given)
    assert len(set(given)) == 5_000


def test_a_forked_process_does_not_give_what_its_parent_will_give() -> None:
    random_bytes(8)  # so that there is a pool to inherit
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, random_bytes(8))
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 8) not in {random_bytes(8) for _ in range(200)}
