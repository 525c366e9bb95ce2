"""Trains again with feedback, and keeps the better bundle: ``python train-corpus/retrain.py --help``."""

import sys

from review_training.feedback_loop.retrain import main

if __name__ == "__main__":
    sys.exit(main())
