"""The tests give the same results whichever signals their parent process ignores."""

import subprocess
import sys

from tests.support.running import ROOT

INTERRUPTED = "tests/batch/test_score.py"


def test_an_interrupt_test_passes_in_a_background_job() -> None:
    # In a shell without job control, background jobs and their child processes ignore SIGINT and SIGQUIT.
    script = 'trap "" INT QUIT; exec "$0" -m pytest -q -k interrupt "$1"'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, INTERRUPTED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr
    assert "1 passed" in done.stdout
