"""Generates a corpus of short rated texts from the lexicon of evaluative words.

python train-corpus/generate_texts.py --out build/lexicon.csv
python train-corpus/train.py --corpus mine.csv --seed-corpus build/lexicon.csv --bundle build/mine
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from review_scorer.scoring.atomic_write import atomic_write_text
from review_training.command import new_parser, run_command
from review_training.lexicon.entries import read
from review_training.lexicon.texts import generate

LEXICON = Path(__file__).parents[2] / "lexicon"
COLUMNS = ("points", "texts", "word")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = new_parser("generate_texts.py", __doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="F", help="the CSV file to write")
    parser.add_argument(
        "--lexicon",
        type=Path,
        default=LEXICON,
        metavar="DIR",
        help="the directory of the lexicon (default: the shipped one)",
    )
    return run_command(parser, arguments, _run)


def _run(options: argparse.Namespace) -> int:
    count = 0
    with atomic_write_text(options.out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for text in generate(read(options.lexicon)):
            writer.writerow(text)
            count += 1
    print(f"{count:,} texts in {options.out}", file=sys.stderr)
    return 0
