"""Explanations: correct offsets in any text, and contributions that add up to the score."""

import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from review_scorer.scoring.alignment import align
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import TextError
from review_scorer.scoring.explanation import Explanation, explain
from review_scorer.scoring.scorer import Scorer, boosted_rows, predict_base
from review_scorer.scoring.text import normalise
from review_training.model.vectorize import as_matrix

ODD = (
    "ｶﾞﾊﾟﾞ゛゜㍿㌔①İΣﬁ가ᄀ\u1161\u11a8か\u3099\u0301\u0300e\u200d👨👩👧🇯🇵👍\U0001f3fd❤\ufe0f⃣1　 \t\n。！!?？｡¨ﷺ\U00016d67"
)
CHARACTERS = st.one_of(
    st.sampled_from(ODD),
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    st.sampled_from(["良い", "最悪", "美味しくない", "この宿は", "楽しい"]),
)
TEXTS = st.lists(CHARACTERS, min_size=1, max_size=40).map("".join)
REVIEWS = TEXTS.filter(lambda text: not text.isspace())


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return load(tiny_bundle).scorer


def unclipped(scorer: Scorer, text: str) -> float:
    """The sum of the base and the trees, computed independently of the explanation."""
    rows = scorer.vectorizer.transform([scorer.tokenizer(normalise(text))])
    base = predict_base(rows, scorer.model.coefficients, scorer.model.intercept)
    trees = scorer.model.booster.predict(boosted_rows(rows, base, scorer.model.booster.width))
    return float((base + trees)[0])


def assert_consistent(explained: Explanation, text: str, scorer: Scorer) -> None:
    assert explained.score == scorer.score(text)
    total = explained.base + explained.rest + sum(span.contribution for span in explained.spans)
    assert total == pytest.approx(unclipped(scorer, text), abs=1e-6)
    for offsets in (
        [(span.start, span.end) for span in explained.spans],
        [(sentence.start, sentence.end) for sentence in explained.sentences],
    ):
        assert all(start < end for start, end in offsets)
        assert all(end <= start for (_, end), (start, _) in pairwise([(0, 0), *offsets, (len(text), len(text))]))
    assert all(span.surface == text[span.start : span.end] for span in explained.spans)
    assert all(sentence.score == scorer.score(text[sentence.start : sentence.end]) for sentence in explained.sentences)


@settings(max_examples=1_000, deadline=None)
@given(TEXTS)
@example("。。。")
@example(" 。")
@example("ΑΣ ΑΣΑ")
def test_align_returns_the_normal_form_with_the_source_of_each_character(text: str) -> None:
    aligned = align(text)
    assert aligned.text == normalise(text)
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
    assert aligned.starts == sorted(aligned.starts)
    assert aligned.ends == sorted(aligned.ends)
    for character, start, end in zip(*aligned, strict=True):
        # The source of a character, normalised alone, contains the character; a final ς may be a σ there.
        alone = unicodedata.normalize("NFKC", text[start:end]).lower().replace("σ", "ς")
        assert character.replace("σ", "ς") in alone or (character == " " and any(map(str.isspace, alone)))


def test_align_handles_every_canonical_composition_of_unicode() -> None:
    pairs = [unicodedata.normalize("NFD", chr(code)) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    composed = [pair for pair in pairs if len(pair) > 1]
    assert len(composed) > 12_000
    for pair in composed:
        text = f"x{pair}y"
        assert align(text).text == normalise(text)
        assert align(text).starts[-1] == len(text) - 1, ascii(pair)


@settings(max_examples=300, deadline=None)
@given(REVIEWS)
def test_offsets_and_sums_are_consistent_in_any_text(scorer: Scorer, text: str) -> None:
    explained = explain(scorer, text)
    assert_consistent(explained, text, scorer)
    assert explain(scorer, text) == explained


def test_offsets_and_sums_are_consistent_in_the_seed_corpus(scorer: Scorer, reviews: list[dict[str, str]]) -> None:
    for review in reviews[::10]:
        assert_consistent(explain(scorer, review["texts"]), review["texts"], scorer)


@pytest.mark.parametrize(
    ("text", "surfaces"),
    [
        ("ﾃﾞｻﾞｲﾝが良い", ["ﾃﾞｻﾞｲﾝ", "が", "良い"]),
        ("か\u3099良い", ["か\u3099", "良い"]),
        ("㍿は良い", ["㍿", "は", "良い"]),
        ("👨‍👩‍👧は良い", ["👨‍👩‍👧", "は", "良い"]),
        ("👍🏽良い🇯🇵🇯🇵は❤️", ["👍🏽", "良い", "🇯🇵🇯🇵", "は", "❤️"]),
        ("ＤＶＤ　　良い\r\n 悪い。", ["ＤＶＤ", "良い", "悪い"]),
        ("良い！！！", ["良い", "！！！"]),
        ("İ良い", ["İ", "良い"]),
    ],
)
def test_spans_are_the_words_of_the_source_text(scorer: Scorer, text: str, surfaces: list[str]) -> None:
    assert [span.surface for span in explain(scorer, text).spans] == surfaces


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("良い。悪い！？普通", ["良い。", "悪い！？", "普通"]),
        ("「良い！」と言う。\n\n（悪い。） 普通", ["「良い！」", "と言う。", "（悪い。）", "普通"]),
        ("。良い｡悪い", ["。良い｡", "悪い"]),
        ("！！", ["！！"]),
        ("  良い \n ", ["良い"]),
    ],
)
def test_sentences_end_at_their_marks_and_brackets(scorer: Scorer, text: str, sentences: list[str]) -> None:
    explained = explain(scorer, text).sentences
    assert [text[sentence.start : sentence.end] for sentence in explained] == sentences


def test_praise_has_a_positive_and_blame_a_negative_contribution(scorer: Scorer) -> None:
    by_word = {span.surface: span.contribution for span in explain(scorer, "宿は最高だったが、対応は最悪").spans}
    assert by_word["最高"] > 0.05
    assert by_word["最悪"] < -0.05


def test_unknown_words_contribute_nothing(scorer: Scorer) -> None:
    explained = explain(scorer, "qwrtpz zxcvbn")
    assert [(span.surface, span.contribution) for span in explained.spans] == [("qwrtpz", 0), ("zxcvbn", 0)]


def test_a_text_that_cannot_be_scored_cannot_be_explained(scorer: Scorer) -> None:
    with pytest.raises(TextError):
        explain(scorer, " ")


def test_occurrences_match_the_counts_of_the_row(scorer: Scorer, reviews: list[dict[str, str]]) -> None:
    for review in reviews[::50]:
        tokens = scorer.tokenizer(normalise(review["texts"]))
        found = list(scorer.vectorizer.occurrences(tokens))
        assert sorted({column for column, _, _ in found}) == scorer.vectorizer.transform_one(tokens)[0].tolist()
        for column, start, end in found:
            assert scorer.vectorizer.terms[column] == " ".join(tokens[start:end])
        longest = scorer.vectorizer.longest
        runs = Counter(
            " ".join(tokens[i : i + size]) for size in range(1, longest + 1) for i in range(len(tokens) - size + 1)
        )
        counts = Counter(scorer.vectorizer.terms[column] for column, _, _ in found)
        assert counts == {term: count for term, count in runs.items() if term in counts}


def test_contributions_equal_those_of_lightgbms_python_package(
    scorer: Scorer, tiny_bundle: Path, reviews: list[dict[str, str]]
) -> None:
    rows = scorer.vectorizer.transform([scorer.tokenizer(normalise(review["texts"])) for review in reviews[::100]])
    base = predict_base(rows, scorer.model.coefficients, scorer.model.intercept)
    booster = scorer.model.booster
    seen = boosted_rows(rows, base, booster.width)
    trees = lightgbm.Booster(model_file=tiny_bundle / "booster.txt")
    expected: Any = trees.predict(as_matrix(seen, booster.width), pred_contrib=True, num_threads=1)
    before = scorer.score("良い宿")
    np.testing.assert_array_equal(booster.contributions(seen), expected.toarray())
    assert scorer.score("良い宿") == before
