"""The inputs of a benchmark run: models, texts and durations."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.reviews import Layout, read
from review_scorer.scoring import text as text_rules
from review_scorer.scoring.errors import TextError

# The longest list that the service accepts.
LIST = 1_000
# More distinct texts do not change the results.
MOST = 10_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The models, the texts and the durations.

    ``seconds`` is the duration of one load run, ``scratch`` a directory for temporary files.
    """

    bundle: Path
    baseline: Path
    texts: Sequence[str]
    seconds: int
    scratch: Path
    build: Path

    @property
    def sample(self) -> Sequence[str]:
        """The texts of the longest list; a smaller corpus is repeated."""
        return [self.texts[index % len(self.texts)] for index in range(LIST)]

    @property
    def first(self) -> str:
        """The body of the first request to a server."""
        return body(self.texts[0])

    def bodies(self) -> Path:
        """Return a file of request bodies, one text in each line."""
        path = self.scratch / "bodies.jsonl"
        if not path.exists():
            path.write_text("".join(body(text) + "\n" for text in self.texts), encoding="utf-8")
        return path


def body(texts: str | Sequence[str]) -> str:
    """Return the request body for a text or a list of texts."""
    return json.dumps({"texts": texts}, ensure_ascii=False)


def draw(corpus: Path) -> list[str]:
    """Return the scorable texts of a corpus, shuffled with a fixed seed.

    Raises ``CorpusError`` if there are none.
    """
    texts = sorted({review.text for review in read([corpus], Layout()).reviews if _scorable(review.text)})
    if not texts:
        raise CorpusError(f"{corpus} has no scorable review")
    return random.Random(1).sample(texts, min(MOST, len(texts)))


def _scorable(text: str) -> bool:
    try:
        text_rules.check(text, max_chars=10_000)
    except TextError:
        return False
    return True
