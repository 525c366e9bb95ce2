"""Our model in obvious code behind the obvious server: what the code of the real one gains, whatever the model.

python tools/bench/obvious_code_server.py --bundle build/bundle --port 4569
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from tools.bench.baseline_server import handler
from tools.bench.sides import obvious_code


class Normalising:
    """Stands where the obvious server has MeCab: normalises before it cuts."""

    def __init__(self, stages: Sequence[Any]) -> None:
        self._normalise, self._tokenise = (stage.one for stage in stages)

    def parse(self, text: str) -> Any:
        """Return the words of ``text`` with blanks between them."""
        return self._tokenise(self._normalise(text))


class Vectorising:
    """Stands where the obvious server has scikit-learn."""

    def __init__(self, stage: Any) -> None:
        self.transform = stage.many


class Predicting:
    """Stands where the obvious server has LightGBM."""

    def __init__(self, stage: Any) -> None:
        self.predict = stage.many


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    *text, vectorise, predict = obvious_code(options.bundle).stages
    parts: tuple[Any, ...] = Vectorising(vectorise), Predicting(predict), Normalising(text)
    with suppress(KeyboardInterrupt):
        HTTPServer(("127.0.0.1", options.port), handler(*parts)).serve_forever()


if __name__ == "__main__":
    main()
