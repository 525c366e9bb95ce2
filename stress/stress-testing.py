"""Puts load on a running service and reports what came of it: ``python stress/stress-testing.py --help``."""

import sys

from review_stress.command import main

if __name__ == "__main__":
    sys.exit(main())
