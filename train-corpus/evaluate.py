"""Measures a bundle on a corpus that it was not trained on: ``python train-corpus/evaluate.py --help``."""

import sys

from review_training.evaluation.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
