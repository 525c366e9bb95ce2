"""Synthetic reviews: clauses of the seed corpus in random combinations, reproducible by a seed.

    python -m tools.bench.scaling.synthetic --rows 100000 --out build/synthetic.csv.gz

A review has about 120 characters. Every second review names an invented product, so that new words keep appearing.
"""

import argparse
import csv
import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path

REVIEWS = Path(__file__).parents[3] / "train-corpus" / "reviews.csv"
CHARACTERS = 120
_NAMES = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモラリルレロン"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a .csv, or .csv.gz")
    parser.add_argument("--files", type=int, default=1, help="number of files to spread the rows over")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for number in range(options.files):
        out = options.out if options.files == 1 else options.out.with_name(f"{number:03}-{options.out.name}")
        rows = options.rows // options.files + (number < options.rows % options.files)
        write(out, rows, seed=options.seed * 1_000 + number)


def write(path: Path, rows: int, *, seed: int) -> None:
    """Write ``rows`` reviews (points, texts, product) to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("points", "texts", "product"))
        writer.writerows(reviews(rows, seed=seed))


def reviews(rows: int, *, seed: int) -> Iterator[tuple[int, str, str]]:
    """Yield reviews as stars, text and product."""
    chance = random.Random(seed)
    pieces = _pieces()
    for _ in range(rows):
        stars = chance.choice((1, 2, 3, 4, 5, 5))
        product = f"{''.join(chance.choices(_NAMES, k=4))}{chance.randrange(1_000)}"
        text = f"{product}について。" if chance.random() < 0.5 else ""
        while len(text) < CHARACTERS:
            near = min(5, max(1, stars + chance.choice((-1, 0, 0, 0, 1))))
            text += chance.choice(pieces[near])
        yield stars, text, f"p{chance.randrange(1 + rows // 20)}"


def _pieces() -> dict[int, list[str]]:
    """Return the clauses of the seed corpus by stars, each with its punctuation mark."""
    pieces: dict[int, list[str]] = {stars: [] for stars in range(1, 6)}
    with REVIEWS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pieces[int(float(row["points"]))] += re.findall(r"[^、。！？\s]+[、。！？]?", row["texts"])
    return pieces


if __name__ == "__main__":
    main()
