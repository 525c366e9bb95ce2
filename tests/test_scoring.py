"""The whole chain, held against scikit-learn and LightGBM's own Python package at the same parameters."""

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from fit import as_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from service.scoring.booster import Booster
from service.scoring.bundle import load
from service.scoring.errors import BundleError, TextError
from service.scoring.scorer import Scorer
from service.scoring.text import normalise
from service.scoring.tokens import Tokenizer
from service.scoring.vectors import Rows, ngrams


@pytest.fixture(scope="module")
def scorer(default_bundle: Path) -> Scorer:
    return load(default_bundle).scorer


@pytest.fixture(scope="module")
def texts(reviews: list[dict[str, str]]) -> list[str]:
    return [review["texts"] for review in reviews]


def test_scores_are_the_references_on_every_embedded_review(
    scorer: Scorer, default_bundle: Path, reviews: list[dict[str, str]], texts: list[str]
) -> None:
    parameters: dict[str, Any] = json.loads((default_bundle / "manifest.json").read_text())["parameters"]
    tokenizer = Tokenizer()
    tokens = [tokenizer(normalise(text)) for text in texts]
    vectorizer = TfidfVectorizer(
        analyzer=lambda words: list(ngrams(words, parameters["longest_ngram"])),
        min_df=parameters["min_document_frequency"],
        sublinear_tf=True,
    ).fit(tokens)
    vectorizer.idf_ = vectorizer.idf_ ** parameters["idf_power"]
    matrix = vectorizer.transform(tokens)
    stars = [float(review["points"]) for review in reviews]
    base = Ridge(alpha=parameters["ridge_alpha"], solver="lsqr", tol=1e-12).fit(matrix, stars).predict(matrix)
    trees = lightgbm.Booster(model_file=default_bundle / "booster.txt")
    terms = (default_bundle / "vocabulary.txt").read_text().split("\n")[: trees.num_feature() - 1]
    seen = hstack((matrix[:, [vectorizer.vocabulary_[term] for term in terms]], csr_matrix(base[:, None]))).tocsr()
    expected = np.clip(base + np.asarray(trees.predict(seen, num_threads=1)), 1, 5)
    np.testing.assert_allclose(scorer.score_many(texts), expected, atol=1e-6, rtol=0)


def test_one_text_and_many_give_the_same_bits_on_every_embedded_review(scorer: Scorer, texts: list[str]) -> None:
    assert [scorer.score(text) for text in texts] == scorer.score_many(texts)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip))
def test_any_text_has_one_score_between_one_and_five(scorer: Scorer, text: str) -> None:
    score = scorer.score(text)
    assert 1 <= score <= 5
    assert scorer.score_many([text, "良い", text]) == [score, scorer.score("良い"), score]


def test_a_text_of_unknown_words_gets_the_intercept_and_no_error(scorer: Scorer) -> None:
    assert scorer.score("qwrtpz") == scorer.score("zxcvbn")


def test_the_two_examples_score_as_anybody_would(scorer: Scorer) -> None:
    assert scorer.score("すごい！最高に興奮した！楽しい") > 4.0
    assert scorer.score("この映画は全くだめ、楽しくない。駄作") < 2.5


def test_a_bad_text_in_a_list_is_named_before_any_is_scored(scorer: Scorer) -> None:
    with pytest.raises(TextError) as refused:
        scorer.score_many(["良い", "悪い", " ", ""])
    assert (refused.value.code, refused.value.index) == ("text_empty", 2)


def test_an_empty_list_has_no_scores(scorer: Scorer) -> None:
    assert scorer.score_many([]) == []


def test_trees_answer_as_lightgbms_own_package_does(default_bundle: Path, scorer: Scorer) -> None:
    del scorer  # its booster and this one live side by side
    model = (default_bundle / "booster.txt").read_text()
    ours = Booster(model)
    width = ours.width
    random = np.random.default_rng(1)
    columns = [np.append(np.sort(random.choice(width - 1, 59, replace=False)), width - 1) for _ in range(50)]
    values = [random.random(60) / 4 for _ in range(50)]
    rows = Rows(
        np.arange(0, 3001, 60, dtype=np.int32), np.concatenate(columns).astype(np.int32), np.concatenate(values)
    )
    expected = np.asarray(lightgbm.Booster(model_str=model).predict(as_matrix(rows, width), num_threads=1))
    # Before any batch: a batch sets in the library what the single-row functions forget to.
    singles = [ours.predict_one(c[:-1], v[:-1], last=v[-1]) for c, v in zip(columns, values, strict=True)]
    assert singles == expected.tolist()
    assert ours.predict(rows).tolist() == expected.tolist()


def test_trees_that_are_no_model_are_refused() -> None:
    with pytest.raises(BundleError, match="LightGBM"):
        Booster("not a model")
