"""Compares two bundles on a corpus that neither was trained on: ``python train-corpus/compare.py --help``."""

import sys

from review_training.evaluation.compare import main

if __name__ == "__main__":
    sys.exit(main())
