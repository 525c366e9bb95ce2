"""What is to be measured, on what."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from review_scorer.corpora.errors import CorpusError
from review_scorer.corpora.reviews import Layout, read
from review_scorer.scoring import text as text_rules
from review_scorer.scoring.errors import TextError

# The longest list that the service takes.
LIST = 1_000
# More than this many distinct texts tell no more about a server.
MOST = 10_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The models, the texts and how long to take over them.

    ``seconds`` is how long one run of load lasts, ``scratch`` a directory for files that only the run needs.
    """

    bundle: Path
    obvious: Path
    texts: Sequence[str]
    seconds: int
    scratch: Path
    build: Path

    @property
    def sample(self) -> Sequence[str]:
        """As many texts as the longest list holds; from a smaller corpus some more than once."""
        return [self.texts[index % len(self.texts)] for index in range(LIST)]

    @property
    def first(self) -> str:
        """The body of a first request."""
        return body(self.texts[0])

    def bodies(self) -> Path:
        """Return a file of request bodies, one a line, one a text."""
        path = self.scratch / "bodies.jsonl"
        if not path.exists():
            path.write_text("".join(body(text) + "\n" for text in self.texts), encoding="utf-8")
        return path


def body(texts: str | Sequence[str]) -> str:
    """Return what asks for the stars of a text or a list of them."""
    return json.dumps({"texts": texts}, ensure_ascii=False)


def draw(corpus: Path) -> list[str]:
    """Return texts of the corpus that the service takes, shuffled, the same ones every time.

    Raises ``CorpusError`` when there are none.
    """
    texts = sorted({review.text for review in read([corpus], Layout()).reviews if _scorable(review.text)})
    if not texts:
        raise CorpusError(f"{corpus} has no review that can be scored")
    return random.Random(1).sample(texts, min(MOST, len(texts)))


def _scorable(text: str) -> bool:
    try:
        text_rules.check(text, max_chars=10_000)
    except TextError:
        return False
    return True
