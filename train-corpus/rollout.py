"""Restarts a Deployment when the bundle on its volume has changed: ``python train-corpus/rollout.py --help``."""

import sys

from review_training.feedback_loop.rollout import main

if __name__ == "__main__":
    sys.exit(main())
