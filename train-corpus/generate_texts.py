"""Generates short rated texts from the lexicon: ``python train-corpus/generate_texts.py --help``."""

import sys

from review_training.lexicon.command import main

if __name__ == "__main__":
    sys.exit(main())
