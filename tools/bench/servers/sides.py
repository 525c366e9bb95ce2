"""The three sides in process, each a chain of stages from text to stars.

Only this module imports the code that is measured. Imports are local, so that a side does not load another's libraries.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from review_scorer.scoring.text import normalise
from tools.bench.figures import BASELINE, BASELINE_CODE, SERVICE


class Stage(NamedTuple):
    """One step of a chain, for the value of one text and for the values of a list of texts."""

    name: str
    one: Callable[[Any], Any]
    many: Callable[[Any], Any]


class Side(NamedTuple):
    """An implementation from text to stars: its stages, and the whole as a caller uses it."""

    stages: Sequence[Stage]
    score: Callable[[str], float]
    score_many: Callable[[Sequence[str]], Sequence[float]]


class Parts:
    """The parameters of a bundle as plain data."""

    def __init__(self, bundle: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self.longest: int = manifest["longest_ngram"]
        self.intercept: float = manifest["intercept"]
        self.terms = (bundle / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
        self.idf = np.load(bundle / "idf.npy")
        self.coefficients = np.load(bundle / "coefficients.npy")
        self.booster = (bundle / "booster.txt").read_text()
        words = bundle / "user.dic"
        self.words = words if words.exists() else None


def service(bundle: Path) -> Side:
    """Return the scorer of the service."""
    from review_scorer.scoring.booster import Booster  # noqa: PLC0415
    from review_scorer.scoring.bundle import load  # noqa: PLC0415
    from review_scorer.scoring.scorer import Model  # noqa: PLC0415
    from review_scorer.scoring.tokens import Tokenizer  # noqa: PLC0415
    from review_scorer.scoring.vectors import Vectorizer  # noqa: PLC0415

    parts = Parts(bundle)
    tokenizer = Tokenizer(user_dictionary=parts.words)
    vectorizer = Vectorizer(parts.terms, parts.idf, longest=parts.longest)
    model = Model(parts.coefficients, parts.intercept, Booster(parts.booster))
    stages = [
        each("normalise", normalise),
        each("tokenise", tokenizer),
        Stage("vectorise", vectorizer.transform_one, vectorizer.transform),
        Stage("predict", lambda row: model.predict_one(*row), lambda rows: model.predict(rows).tolist()),
    ]
    scorer = load(bundle).scorer
    return Side(stages, scorer.score, scorer.score_many)


def baseline_code(bundle: Path) -> Side:
    """Return the model of a bundle in straightforward code: scikit-learn and LightGBM's Python package."""
    import lightgbm  # noqa: PLC0415
    from scipy.sparse import csr_matrix, hstack  # noqa: PLC0415
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    parts = Parts(bundle)
    vectorizer = TfidfVectorizer(
        tokenizer=str.split,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, parts.longest),
        sublinear_tf=True,
        vocabulary=parts.terms,
    )
    vectorizer.idf_ = parts.idf
    ridge = Ridge()
    ridge.coef_, ridge.intercept_ = parts.coefficients, parts.intercept
    trees = lightgbm.Booster(model_str=parts.booster)
    seen = trees.num_feature() - 1

    def predict(matrix: Any) -> list[float]:
        base = ridge.predict(matrix)
        rest = trees.predict(hstack((matrix[:, :seen], csr_matrix(base[:, None]))).tocsr())
        stars: list[float] = np.clip(base + np.asarray(rest), 1, 5).tolist()
        return stars

    return _by_lists(
        each("normalise", normalise), each("tokenise", _wakati(parts.words)), vectorizer.transform, predict
    )


def baseline(model: Path) -> Side:
    """Return the chain of ``tools/bench/servers/baseline_server.py`` with the model that it trained."""
    from tools.bench.servers import baseline_server  # noqa: PLC0415

    vectorizer, booster = baseline_server.load(model)
    return _by_lists(
        each("tokenise", _wakati()), vectorizer.transform, lambda matrix: np.asarray(booster.predict(matrix)).tolist()
    )


def train_baseline(corpus: Path, model: Path) -> None:
    """Train the model of ``tools/bench/servers/baseline_server.py`` on a CSV with ``points`` and ``texts``."""
    import ipadic  # noqa: PLC0415
    import MeCab  # noqa: PLC0415

    from review_training.evaluation.original_recipe import ROUNDS  # noqa: PLC0415
    from tools.bench.servers import baseline_server  # noqa: PLC0415

    tagger = MeCab.Tagger(f"-Owakati {ipadic.MECAB_ARGS}")
    baseline_server.train(corpus, model, tagger, ROUNDS)


def side(name: str, *, bundle: Path, model: Path) -> Side:
    """Return the side called ``name`` over the bundle or, for the baseline, over its own model."""
    makers = {
        SERVICE: partial(service, bundle),
        BASELINE: partial(baseline, model),
        BASELINE_CODE: partial(baseline_code, bundle),
    }
    return makers[name]()


def each(name: str, function: Callable[[Any], Any]) -> Stage:
    """Return a stage that handles a list item by item."""
    return Stage(name, function, lambda values: [function(value) for value in values])


def _wakati(words: Path | None = None) -> Callable[[str], str]:
    import ipadic  # noqa: PLC0415
    import MeCab  # noqa: PLC0415

    added = f' -u "{words}"' if words else ""
    tagger = MeCab.Tagger(f"-Owakati {ipadic.MECAB_ARGS}{added}")
    return lambda text: tagger.parse(text).strip()


def _by_lists(*steps: Any) -> Side:
    """Return a side whose last two steps, vectorising and predicting, take only lists."""
    *texts, transform, predict = steps
    stages = [
        *texts,
        Stage("vectorise", lambda text: transform([text]), transform),
        Stage("predict", lambda matrix: predict(matrix)[0], predict),
    ]

    def score_many(values: Any) -> Any:
        for stage in stages:
            values = stage.many(values)
        return values

    return Side(stages, lambda text: score_many([text])[0], score_many)
