"""Serves the model of a bundle with straightforward code, to measure the code of the service apart from its model.

python -m tools.bench.servers.baseline_code_server --bundle build/bundle --port 4569
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from tools.bench.servers.baseline_server import handler
from tools.bench.servers.sides import baseline_code


class NormalisingTokenizer:
    """Takes the place of the baseline's MeCab tagger: normalises a text, then tokenises it."""

    def __init__(self, stages: Sequence[Any]) -> None:
        self._normalise, self._tokenise = (stage.one for stage in stages)

    def parse(self, text: str) -> Any:
        """Return the tokens of ``text``, separated by spaces."""
        return self._tokenise(self._normalise(text))


class StageVectorizer:
    """Takes the place of the baseline's scikit-learn vectoriser."""

    def __init__(self, stage: Any) -> None:
        self.transform = stage.many


class StageBooster:
    """Takes the place of the baseline's LightGBM booster."""

    def __init__(self, stage: Any) -> None:
        self.predict = stage.many


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    *text, vectorise, predict = baseline_code(options.bundle).stages
    parts: tuple[Any, ...] = StageVectorizer(vectorise), StageBooster(predict), NormalisingTokenizer(text)
    with suppress(KeyboardInterrupt):
        HTTPServer(("127.0.0.1", options.port), handler(*parts)).serve_forever()


if __name__ == "__main__":
    main()
