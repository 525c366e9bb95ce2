"""Trains a bundle from a corpus of rated reviews: ``python train-corpus/train.py --help``."""

import sys

from review_training.runs.train import main

if __name__ == "__main__":
    sys.exit(main())
