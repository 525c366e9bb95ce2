"""Load tests a running service: ``python stress/stress-testing.py --help``."""

import sys

from review_stress.command import main

if __name__ == "__main__":
    sys.exit(main())
