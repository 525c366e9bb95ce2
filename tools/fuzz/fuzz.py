"""Feed the service with what nobody should send, for as long as is asked; exit 1 if it minds.

python tools/fuzz/fuzz.py --bundle build/bundle --minutes 10
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

from tests.support.running import serving, wait_for_workers
from tools.fuzz.promises import TARGETS

ENOUGH = 100_000
# Little patience, so that what never ends takes little time.
SETTINGS = {"READ_BODY_TIMEOUT": "0.2", "READ_HEADER_TIMEOUT": "0.2", "WRITE_TIMEOUT": "5"}


def main() -> int:
    """Return 0 when every promise was kept by workers that are all alive, and enough was tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to serve")
    parser.add_argument("--minutes", type=float, default=10, help="how long, altogether (default: 10)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="the same inputs again")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    tried = 0
    with serving(options.bundle, **SETTINGS) as server:
        workers = wait_for_workers(server)
        for target in TARGETS:
            started = time.monotonic()
            try:
                count = target(server, seconds=options.minutes * 60 / len(TARGETS), seed=options.seed)
            except Exception as error:  # noqa: BLE001 - whatever it is, it was found
                print(f"{target.__name__}: {error!r}", *getattr(error, "__notes__", ()), sep="\n")
                return 1
            tried += count
            print(f"{target.__name__:10} {count:9,} inputs in {time.monotonic() - started:5.0f} s", flush=True)
        alive = server.workers() == workers
    print(f"{tried:,} inputs, none answered 500; the workers are {'the same' if alive else 'NOT the same'}")
    if tried < ENOUGH:
        print(f"fewer than {ENOUGH:,}; ask for more MINUTES")
    return 0 if alive and tried >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
