"""Texts of a corpus, and request bodies made of them."""

import csv
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

EMBEDDED = Path(__file__).parents[3] / "train-corpus" / "reviews.csv"
COLUMNS = ("texts", "text", "review_body", "review", "body", "comment")
# More distinct texts do not change the results and cost memory in each sender.
MAX_TEXTS = 10_000


class TextsError(Exception):
    """The corpus cannot be read or has no texts."""


def read_texts(path: Path, *, column: str = "") -> list[str]:
    """Return the texts of a CSV, TSV or JSON Lines file without blank ones."""
    names = (column,) if column else COLUMNS
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows: Iterator[object]
            if path.suffix in {".jsonl", ".ndjson", ".json"}:
                rows = (json.loads(line) for line in file if line.strip())
            else:
                csv.field_size_limit(10_000_000)
                rows = iter(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
            found = [_text(row, names) for row in rows]
    except OSError as error:
        raise TextsError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise TextsError(f"cannot read {path}: {error}") from error
    texts = [text for text in found if text]
    if not texts:
        raise TextsError(f"{path} has no texts in {' or '.join(names)}")
    return texts


def _text(row: object, names: Sequence[str]) -> str:
    for name in names:
        text = row.get(name) if isinstance(row, dict) else None
        if isinstance(text, str) and text.strip():
            # Lone surrogates and NUL would test input validation, not speed.
            return text.encode("utf-8", "ignore").decode("utf-8").replace("\0", "").strip()
    return ""


def bodies(texts: Sequence[str], *, batch: int = 0, seed: int = 1, limit: int = MAX_TEXTS) -> list[str]:
    """Return request bodies with one text each, or with lists of ``batch`` texts, drawn without replacement."""
    shuffled = random.Random(seed).sample(texts, len(texts))  # noqa: S311
    if not batch:
        return [json.dumps({"texts": text}, ensure_ascii=False) for text in shuffled[:limit]]
    endless = itertools.cycle(shuffled)
    lists = max(1, min(limit, len(shuffled)) // batch)
    return [json.dumps({"texts": list(itertools.islice(endless, batch))}, ensure_ascii=False) for _ in range(lists)]
