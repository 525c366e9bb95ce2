"""State of a reload, which all workers share."""

import os

from review_scorer.server.lifecycle import Reload


def test_a_reload_is_in_progress_until_a_second_after_its_end() -> None:
    reload = Reload()
    assert not reload.in_progress
    with reload.started():
        assert reload.in_progress
    # New workers have a second to catch up.
    assert reload.in_progress


def test_workers_that_were_forked_before_a_reload_see_it() -> None:
    reload, (read, write) = Reload(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os._exit(reload.in_progress)
    with reload.started():
        os.write(write, b"!")
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
