"""Writes a corpus of predictions and the feedback on them: ``python train-corpus/feedback.py --help``."""

import sys

from review_training.feedback_loop.feedback import main

if __name__ == "__main__":
    sys.exit(main())
