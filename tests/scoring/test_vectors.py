"""TF-IDF vectors: equal to scikit-learn's, and the same for one text and for many."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from review_scorer.corpora.reviews import Review
from review_scorer.scoring.text import normalise
from review_scorer.scoring.tokens import Tokenizer
from review_scorer.scoring.vectors import Vectorizer
from review_training.corpus.tokenized_corpus import TokenizedCorpus
from review_training.model.fit import fit_vectorizer
from review_training.model.recipe import Recipe
from review_training.model.vectorize import as_matrix
from tests.support.tokenised import corpus_of

WORDS = st.lists(st.sampled_from(["良い", "悪い", "部屋", "は", "ない", "未知"]), max_size=30)
TERMS = ["は", "悪い", "部屋", "部屋 は", "部屋 は 悪い", "良い 良い 良い"]
SMALL = Vectorizer(TERMS, np.array([1.1, 2.7, 1.3, 2.9, 3.1, 1.7]), longest=3)


@pytest.fixture(scope="module")
def tokens(reviews: list[dict[str, str]]) -> list[list[str]]:
    tokenizer = Tokenizer()
    return [tokenizer(normalise(review["texts"])) for review in reviews]


@pytest.fixture
def corpus(reviews: list[dict[str, str]], tmp_path: Path) -> TokenizedCorpus:
    return corpus_of([Review(review["texts"], 3.0) for review in reviews], tmp_path, shard_size=2_000)


def test_the_rows_of_the_seed_corpus_equal_scikit_learns(tokens: list[list[str]], corpus: TokenizedCorpus) -> None:
    recipe = Recipe()
    ours, frequency = fit_vectorizer(corpus, recipe)
    theirs = TfidfVectorizer(
        tokenizer=lambda words: words,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, recipe.longest_ngram),
        min_df=recipe.min_document_frequency,
        sublinear_tf=True,
    ).fit(tokens)
    assert sorted(theirs.vocabulary_) == sorted(ours.terms)
    theirs.idf_ = theirs.idf_**recipe.idf_power
    expected = theirs.transform(tokens)[:, [theirs.vocabulary_[term] for term in ours.terms]]
    assert abs(as_matrix(ours.transform(tokens), ours.width) - expected).max() < 1e-12
    assert frequency.tolist() == expected.getnnz(axis=0).tolist() == sorted(frequency, reverse=True)


def test_a_limited_vocabulary_keeps_the_most_frequent_terms(corpus: TokenizedCorpus) -> None:
    few, _ = fit_vectorizer(corpus, Recipe(max_terms=100))
    assert few.width == 100
    assert few.terms[0] == "。"
    assert {"た", "です"} <= set(few.terms)


def test_the_vocabulary_coverage_counts_tokens_that_are_terms() -> None:
    assert SMALL.vocabulary_coverage(["部屋", "は", "良い", "未知"]) == 0.5
    assert SMALL.vocabulary_coverage([]) == 0


@given(st.lists(WORDS, max_size=6))
def test_one_text_and_many_texts_give_bit_identical_rows(texts: list[list[str]]) -> None:
    rows = SMALL.transform(texts)
    for index, text in enumerate(texts):
        own = slice(rows.indptr[index], rows.indptr[index + 1])
        columns, values = SMALL.transform_one(text)
        assert (columns.tolist(), values.tolist()) == (rows.indices[own].tolist(), rows.values[own].tolist())


@given(WORDS)
def test_exactly_the_ngrams_of_the_vocabulary_are_found(text: list[str]) -> None:
    found = {SMALL.terms[column] for column in SMALL.transform_one(text)[0].tolist()}
    ngrams = {" ".join(text[start : start + size]) for size in (1, 2, 3) for start in range(len(text) - size + 1)}
    assert found == set(SMALL.terms) & ngrams


def test_a_row_has_unit_length_or_is_empty() -> None:
    rows = SMALL.transform([["部屋", "は", "悪い"], ["未知"], []])
    assert np.diff(rows.indptr).tolist() == [5, 0, 0]
    assert np.sum(rows.values**2) == pytest.approx(1)


def test_a_word_that_occurs_only_in_longer_terms_is_not_covered() -> None:
    vectorizer = Vectorizer(["部屋", "部屋 が 狭い"], np.ones(2), longest=3)
    assert vectorizer.vocabulary_coverage(["部屋", "が", "狭い", "宿"]) == 1 / 4
