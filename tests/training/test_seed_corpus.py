"""The reviews that the project ships are balanced and diverse."""

import re
import unicodedata
from collections import Counter, defaultdict

import pytest

Rows = list[dict[str, str]]

# Texts that tests and examples score must not be in the training data.
SCORED = {
    "すごい!最高に興奮した!楽しい",
    "この映画は全くだめ、楽しくない。駄作",
    "最高でした",
    "二度と買わない",
    "部屋が狭かった",
    "良い",
    "良くない",
    "悪い",
    "悪くない",
}


@pytest.fixture(scope="module")
def texts(reviews: Rows) -> list[str]:
    return [unicodedata.normalize("NFKC", review["texts"]) for review in reviews]


def sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in re.split(r"(?<=[。!?\n])", text) if sentence.strip()]


def test_there_are_enough_reviews_and_as_many_of_each_star(reviews: Rows) -> None:
    stars = Counter(review["points"] for review in reviews)
    assert set(stars) == set("12345")
    assert len(set(stars.values())) == 1
    assert len(reviews) >= 4_000


def test_every_domain_has_every_star(reviews: Rows) -> None:
    stars: dict[str, Counter[str]] = defaultdict(Counter)
    for review in reviews:
        stars[review["domain"]][review["points"]] += 1
    assert len(stars) >= 16
    assert {"films", "books", "games", "hotels", "restaurants", "appliances", "apps", "cosmetics"} <= set(stars)
    for domain, counts in stars.items():
        assert min(counts[star] for star in "12345") >= 30, domain


def test_lengths_vary_widely_and_do_not_depend_on_stars(reviews: Rows) -> None:
    lengths: dict[str, list[int]] = defaultdict(list)
    for review in reviews:
        lengths[review["points"]].append(len(review["texts"]))
    for star in "12345":
        own = sorted(lengths[star])
        assert own[0] <= 8
        assert own[-1] >= 250
        assert 40 <= own[len(own) // 2] <= 80


def test_no_two_reviews_are_nearly_the_same(texts: list[str]) -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    grams: list[set[str]] = []
    alike = []
    for index, text in enumerate(texts):
        own = {text[start : start + 5] for start in range(len(text) - 4)}
        grams.append(own)
        if len(text) >= 8:
            shared = Counter(other for gram in own for other in seen[gram])
            alike += [
                (text, texts[other])
                for other, common in shared.items()
                if common > 0.5 * (len(own) + len(grams[other]) - common)
            ]
            for gram in own:
                seen[gram].append(index)
    assert alike == []


def test_no_sentence_run_or_opening_is_repeated_often(texts: list[str]) -> None:
    repeated: dict[str, Counter[str]] = {"sentence": Counter(), "run": Counter(), "opening": Counter()}
    for text in texts:
        repeated["sentence"].update({sentence for sentence in sentences(text) if len(sentence) >= 12})
        repeated["run"].update({text[start : start + 15] for start in range(len(text) - 14)})
        repeated["opening"].update([text[:12]] if len(text) >= 12 else [])
    for kind, limit in (("sentence", 2), ("run", 4), ("opening", 5)):
        assert [(part, count) for part, count in repeated[kind].items() if count > limit] == []


def test_no_sentence_that_a_test_or_an_example_scores_is_among_them(texts: list[str]) -> None:
    for text in texts:
        parts = {text, *sentences(text)}
        assert not {part.rstrip("。!?.") for part in parts} & SCORED


def test_the_reviews_use_many_ways_of_writing(texts: list[str], reviews: Rows) -> None:
    everything = "\n".join(texts)
    raw = "\n".join(review["texts"] for review in reviews)
    for turn in ("悪くない", "期待していただけに", "ければ星5", "損はない", "かと思いきや", "www", "(笑)"):
        assert turn in everything, turn
    assert re.search("[ｱ-ﾝ]", raw), "half-width kana"
    assert re.search("[\U0001f300-\U0001faff]", raw), "emoji"
    assert re.search("[Ａ-Ｚ０-９]", raw), "full-width Latin and digits"
