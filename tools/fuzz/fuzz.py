"""Fuzz the service with malformed input; the exit status is 1 if an invariant is violated.

python -m tools.fuzz.fuzz --bundle build/bundle --minutes 10
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

from tests.support.running import serving, wait_for_workers
from tools.fuzz.invariants import TARGETS

ENOUGH = 100_000
# Short timeouts, so that incomplete requests end soon.
SETTINGS = {"READ_BODY_TIMEOUT": "0.2", "READ_HEADER_TIMEOUT": "0.2", "WRITE_TIMEOUT": "5"}


def main() -> int:
    """Return 0 if all invariants held, the workers are the same as at the start, and enough inputs were tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to serve")
    parser.add_argument("--minutes", type=float, default=10, help="total duration (default: 10)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="seed of the inputs (default: random)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    tried = 0
    with serving(options.bundle, **SETTINGS) as server:
        workers = wait_for_workers(server)
        for target in TARGETS:
            started = time.monotonic()
            try:
                count = target(server, seconds=options.minutes * 60 / len(TARGETS), seed=options.seed)
            except Exception as error:  # noqa: BLE001 - any error is a finding
                print(f"{target.__name__}: {error!r}", *getattr(error, "__notes__", ()), sep="\n")
                return 1
            tried += count
            print(f"{target.__name__:10} {count:9,} inputs in {time.monotonic() - started:5.0f} s", flush=True)
        alive = server.workers() == workers
    print(f"{tried:,} inputs, none answered 500; the workers {'are unchanged' if alive else 'CHANGED'}")
    if tried < ENOUGH:
        print(f"fewer than {ENOUGH:,} inputs; increase MINUTES")
    return 0 if alive and tried >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
