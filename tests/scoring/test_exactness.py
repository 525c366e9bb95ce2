"""All ways to score a text are equal: alone, in a list, over HTTP, in training, and with scikit-learn's parts.

The texts are the reviews of the seed corpus and 2,000 generated strings, of any characters and of those that are common
in Japanese reviews.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from review_scorer.scoring import bundle
from review_scorer.scoring.booster import Booster
from review_scorer.scoring.scorer import Model, Scorer
from review_scorer.scoring.text import normalise
from review_scorer.scoring.tokens import Tokenizer
from review_training.runs import train
from tests.support.running import serving

ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
USUAL = st.sampled_from(
    [
        *"良悪い最高とても。、！？!?ーｶﾞﾊﾟ㌔①㍿ＡＢa1 \n\t　",
        "\u3099",
        "😊",
        "👨‍👩‍👧",
        "気に入り",
        "楽しく",
        "ない",
        "残念",
    ]
)
ODD = st.lists(st.one_of(ANY, USUAL, USUAL), min_size=1, max_size=60).map("".join).filter(str.strip)


@pytest.fixture(scope="module")
def texts(reviews: list[dict[str, str]]) -> list[str]:
    """The reviews of the seed corpus and the generated strings."""
    odd: list[str] = []

    @settings(max_examples=2_000, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(ODD)
    def collect(text: str) -> None:
        odd.append(text)

    collect()
    assert len(set(odd)) > 1_900
    return [review["texts"] for review in reviews] + odd


@pytest.fixture(scope="module")
def scorer(default_bundle: Path) -> Scorer:
    return bundle.load(default_bundle).scorer


@pytest.fixture(scope="module")
def singles(scorer: Scorer, texts: list[str]) -> list[float]:
    """The score of each text, scored alone."""
    return [scorer.score(text) for text in texts]


def test_every_score_is_between_one_and_five(singles: list[float]) -> None:
    assert all(1 <= score <= 5 for score in singles)


@pytest.mark.parametrize("size", [2, 16, 1_000, 100_000])
def test_the_scores_of_a_list_are_bit_identical_to_those_of_single_texts(
    scorer: Scorer, texts: list[str], singles: list[float], size: int
) -> None:
    scores = [score for start in range(0, len(texts), size) for score in scorer.score_many(texts[start : start + size])]
    assert scores == singles


def test_http_returns_the_same_scores_for_one_text_and_for_many(
    default_bundle: Path, texts: list[str], singles: list[float]
) -> None:
    with serving(default_bundle) as server:
        for start in range(0, len(texts), 500):
            body = {"texts": texts[start : start + 500]}
            scores = server.client.post("/api/1/scores", json=body).json()["scores"]
            assert scores == pytest.approx(singles[start : start + 500], abs=1e-9, rel=0)
        for text, score in zip(texts[-3_000:], singles[-3_000:], strict=True):
            answer = server.client.post("/api/1/users", json={"texts": text}).json()
            assert answer == {"score": pytest.approx(score, abs=1e-9, rel=0)}


def test_the_model_in_training_gives_the_same_scores(
    tiny_bundle: Path, tiny_corpus: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: list[bundle.Trained] = []

    def keep(trained: bundle.Trained, *arguments: Any, **more: Any) -> None:
        kept.append(trained)
        bundle.write(trained, *arguments, **more)

    monkeypatch.setattr(train, "write", keep)
    options = ["--corpus", str(tiny_corpus), "--bundle", str(tmp_path / "b"), "--no-seed-corpus"]
    assert train.main(options) == 0
    trained, tokenizer = kept[0], Tokenizer()
    model = Model(trained.coefficients, trained.intercept, Booster(trained.booster))
    expected = model.predict(trained.vectorizer.transform(tokenizer(normalise(text)) for text in texts))
    np.testing.assert_allclose(bundle.load(tiny_bundle).scorer.score_many(texts), expected, atol=1e-9, rtol=0)


def test_scikit_learn_with_the_same_parameters_gives_the_same_scores(
    default_bundle: Path, reviews: list[dict[str, str]], texts: list[str], singles: list[float]
) -> None:
    stars = [float(review["points"]) for review in reviews]
    expected = scikit_learn_scores(default_bundle, texts[: len(stars)], stars, texts)
    np.testing.assert_allclose(singles, expected, atol=1e-6, rtol=0)


def scikit_learn_scores(
    path: Path, corpus: Sequence[str], stars: Sequence[float], texts: Sequence[str]
) -> NDArray[np.float64]:
    """Return the scores of ``texts`` by scikit-learn's estimators, fitted on ``corpus``, and the bundle's trees."""
    parameters: dict[str, Any] = json.loads((path / "manifest.json").read_text())["parameters"]
    tokenizer = Tokenizer()
    vectorizer = TfidfVectorizer(
        tokenizer=lambda text: tokenizer(normalise(text)),
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, parameters["longest_ngram"]),
        min_df=parameters["min_document_frequency"],
        sublinear_tf=True,
    ).fit(corpus)
    vectorizer.idf_ = vectorizer.idf_ ** parameters["idf_power"]
    ridge = Ridge(alpha=parameters["ridge_alpha"], solver="lsqr", tol=1e-12).fit(vectorizer.transform(corpus), stars)
    matrix = vectorizer.transform(texts)
    base = ridge.predict(matrix)
    trees = lightgbm.Booster(model_file=path / "booster.txt")
    terms = (path / "vocabulary.txt").read_text().split("\n")[: trees.num_feature() - 1]
    seen = hstack((matrix[:, [vectorizer.vocabulary_[term] for term in terms]], csr_matrix(base[:, None]))).tocsr()
    scores: NDArray[np.float64] = np.clip(base + np.asarray(trees.predict(seen, num_threads=1)), 1, 5)
    return scores
