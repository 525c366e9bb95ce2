"""The model card: its numbers are right, its plots show them, and it discloses no review."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from review_scorer.corpora.reviews import Review
from review_scorer.scoring.bundle import Trained
from review_scorer.scoring.intervals import Intervals
from review_training.card.measure import LEAST_REVIEWS, MOST_TERMS, HeldOutReviews
from review_training.card.render import render_card, unwrap
from review_training.corpus.tokenize import load_shard
from review_training.corpus.tokenized_corpus import TokenizedCorpus
from review_training.evaluation.cross_validation import HeldOutPredictions
from review_training.evaluation.evaluation import Evaluation
from review_training.evaluation.interval_calibration import CalibratedIntervals
from review_training.evaluation.rating_metrics import Figures, measure
from review_training.evaluation.training_facts import CorpusFacts, Distribution, TrainingFacts
from review_training.model.fit import fit
from review_training.model.recipe import Recipe
from review_training.model.term_support import TermSupport, count_term_support
from review_training.runs.facts import held_out_reviews
from tests.support.tokenised import corpus_of


class Inputs(NamedTuple):
    facts: TrainingFacts
    texts: list[str]
    reviews: HeldOutReviews
    predictions: HeldOutPredictions
    trained: Trained
    support: TermSupport
    corpus: TokenizedCorpus

    def render(self, **facts: Any) -> dict[str, bytes]:
        return render_card(
            facts=replace(self.facts, **facts),
            reviews=self.reviews,
            predictions=self.predictions,
            trained=self.trained,
            support=self.support,
        )


def numbers_of(files: dict[str, bytes]) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="numbers">(.*)</script>', page_of(files))
    assert found
    numbers: dict[str, Any] = json.loads(found[1])
    return numbers


def page_of(files: dict[str, bytes]) -> str:
    return files["model-card.html"].decode()


def plots_of(files: dict[str, bytes]) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page_of(files), re.DOTALL)]  # noqa: S314


def marks_of(plot: ET.Element, name: str) -> dict[str, ET.Element]:
    return {mark.attrib["data-key"]: mark for mark in plot.iter() if mark.get("data-plot") == name}


def number(mark: ET.Element, attribute: str) -> float:
    return float(mark.attrib[attribute])


@pytest.fixture(scope="module")
def make(reviews: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Inputs]:
    """Return a function that trains on some embedded reviews; the held-out predictions are random, with a seed."""

    def make(*, step: int, group: Callable[[int, str], str] = lambda _, domain: domain) -> Inputs:
        chosen = [
            Review(row["texts"], float(row["points"]), group(at, row["domain"]))
            for at, row in enumerate(reviews[::step])
        ]
        corpus = corpus_of(chosen, tmp_path_factory.mktemp("work"))
        positions = np.arange(len(chosen))
        held_out = held_out_reviews(corpus, positions)
        random = np.random.default_rng(1)
        count = len(held_out.stars)
        predictions = HeldOutPredictions(
            model=np.clip(held_out.stars * 0.8 + 0.5 + random.normal(0, 0.7, count), 1, 5),
            linear=np.clip(held_out.stars * 0.6 + 1 + random.normal(0, 0.8, count), 1, 5),
            constant=np.full(count, held_out.stars.mean()),
            original=None,
            vocabulary_coverage=random.uniform(0.5, 1, count),
            fold=np.arange(count) % 5,
        )
        figures = {name: measure(held_out.stars, stars) for name, stars in predictions.by_predictor().items()}
        facts = TrainingFacts(
            version="1.2.3",
            libraries={"lightgbm": "4.7.0"},
            parameters=Recipe(),
            seed=1,
            corpus=CorpusFacts(
                fingerprint="0f" * 32,
                rows=count,
                mean_stars=float(held_out.stars.mean()),
                seed_corpus_rows=0,
                embedded=False,
            ),
            evaluation=Evaluation(kind="folds", folds=5, group="domain", rows=count, figures=figures),
            intervals=CalibratedIntervals(0.8, Intervals([1.0, 5.0], [-1.0, -1.0], [1.0, 1.0]), 0.8125, 1.937),
            distribution=Distribution(score=[], vocabulary_coverage=[]),
        )
        trained = fit(corpus, Recipe(), seed=1)
        texts = [each.text for each in chosen]
        support = count_term_support(corpus, "", positions)
        return Inputs(facts, texts, held_out, predictions, trained, support, corpus)

    return make


@pytest.fixture(scope="module")
def inputs(make: Callable[..., Inputs]) -> Inputs:
    return make(step=12)


@pytest.fixture(scope="module")
def files(inputs: Inputs) -> dict[str, bytes]:
    return inputs.render()


def test_the_figures_are_those_of_the_held_out_answers(inputs: Inputs, files: dict[str, bytes]) -> None:
    numbers = numbers_of(files)
    assert list(numbers["figures"]) == ["model", "linear", "constant"]
    for name, figures in numbers["figures"].items():
        measured = measure(inputs.reviews.stars, getattr(inputs.predictions, name))
        assert figures == pytest.approx(measured._asdict(), abs=1e-6)
        cells = [f"{value:.3f}" for value in measured]
        assert page_of(files).count("".join(f"<td>{cell}</td>" for cell in cells)) == 2
        assert files["model-card.md"].decode().count(f"| {' | '.join(cells)} |") == 2


def test_the_original_recipe_is_shown_where_it_was_measured(inputs: Inputs) -> None:
    figures = {**inputs.facts.evaluation.figures, "original": Figures(0.4321, 0.4321, 0.4321, 0.4321)}
    text = inputs.render(evaluation=replace(inputs.facts.evaluation, figures=figures))["model-card.md"].decode()
    assert "| 2018 年の方式 | 0.432 |" in text
    assert "| the recipe of 2018 | 0.432 |" in text


def test_the_classes_add_up_to_all_reviews(inputs: Inputs, files: dict[str, bytes]) -> None:
    numbers, stars, answers = numbers_of(files), inputs.reviews.stars, inputs.predictions.model
    rows = len(stars)
    assert [star["rows"] for star in numbers["stars"]] == [int((stars == star).sum()) for star in range(1, 6)]
    assert sum(star["predicted_rows"] for star in numbers["stars"]) == rows
    assert np.sum([part["rows"] for part in numbers["predicted"]]) == rows
    assert numbers["stars"][2]["median"] == pytest.approx(np.median(answers[stars == 3]), abs=1e-6)
    error = np.abs(answers - stars).mean()
    for slices in (numbers["lengths"], numbers["groups"]["slices"]):
        assert sum(part["rows"] for part in slices) == rows
        assert sum(part["rows"] * part["mae"] for part in slices) / rows == pytest.approx(error, abs=1e-5)


def test_a_group_and_a_length_have_their_own_error(inputs: Inputs, files: dict[str, bytes]) -> None:
    numbers, error = numbers_of(files), inputs.predictions.model - inputs.reviews.stars
    hotels = np.array([group == "hotels" for group in inputs.reviews.groups])
    (found,) = [part for part in numbers["groups"]["slices"] if part["name"] == "hotels"]
    assert found["mae"] == pytest.approx(np.abs(error[hotels]).mean(), abs=1e-6)
    assert found["bias"] == pytest.approx(error[hotels].mean(), abs=1e-6)
    short = np.array([20 <= len(text) <= 39 for text in inputs.texts])
    (found,) = [part for part in numbers["lengths"] if part["name"] == "20–39"]
    assert (found["rows"], found["mae"]) == (short.sum(), pytest.approx(np.abs(error[short]).mean(), abs=1e-6))


def test_the_strongest_terms_are_those_of_the_base(inputs: Inputs, files: dict[str, bytes]) -> None:
    numbers, vectorizer = numbers_of(files), inputs.trained.vectorizer
    columns = {term: column for column, term in enumerate(vectorizer.terms)}
    for kind, is_phrase in (("words", False), ("phrases", True)):
        for side, sign in (("positive", 1), ("negative", -1)):
            terms = numbers[kind][side]
            assert 0 < len(terms) <= MOST_TERMS
            strengths = [sign * term["weight"] for term in terms]
            assert strengths == sorted(strengths, reverse=True)
            assert strengths[-1] > 0
            for term in terms:
                assert (" " in term["term"]) == is_phrase
                column = columns[term["term"]]
                weight = inputs.trained.coefficients[column] * vectorizer.idf[column]
                assert term["weight"] == pytest.approx(weight, abs=1e-6)
                assert term["rows"] >= numbers["support"] >= LEAST_REVIEWS
    (worst,) = [term for term in numbers["words"]["negative"] if term["term"] == "最悪"]
    assert worst["rows"] == sum(
        "最悪" in tokens for tokens in load_shard(inputs.corpus.store, inputs.corpus.shards[0]).tokens()
    )


def test_the_plots_are_drawn_from_the_numbers_of_the_tables(files: dict[str, bytes]) -> None:
    numbers, plots = numbers_of(files), plots_of(files)
    assert len(plots) == 8  # four in each language
    for stars, agreement, lengths, groups in (plots[:4], plots[4:]):
        for field in ("rows", "predicted_rows"):
            bars = marks_of(stars, field)
            wanted = {str(star["stars"]): star[field] for star in numbers["stars"]}
            assert {key: number(bar, "data-value") for key, bar in bars.items()} == wanted
            scale = {round(number(bar, "height") / number(bar, "data-value"), 2) for bar in bars.values()}
            assert max(scale) - min(scale) < 0.02
        cells = marks_of(agreement, "predicted")
        for part in numbers["predicted"]:
            for true, count in enumerate(part["rows"], 1):
                assert number(cells[f"{part['low']}/{true}"], "data-value") == count
        for star, mark in marks_of(agreement, "median").items():
            # The axis runs upwards, from 1 star at 250 to 5 stars at 10.
            wanted_stars = numbers["stars"][int(star) - 1]["median"]
            assert (250 - number(mark, "cy")) / 60 + 1 == pytest.approx(wanted_stars, abs=0.001)
        for plot, name, slices in (
            (lengths, "length", numbers["lengths"]),
            (groups, "group", numbers["groups"]["slices"]),
        ):
            bars = marks_of(plot, name)
            assert {key: number(bar, "data-value") for key, bar in bars.items()} == {
                part["name"]: part["mae"] for part in slices
            }
            longest = max(bars.values(), key=lambda bar: number(bar, "width"))
            for bar in bars.values():
                share = number(bar, "data-value") / number(longest, "data-value")
                assert number(bar, "width") == pytest.approx(share * number(longest, "width"), abs=0.02)


def test_every_number_of_the_tables_stands_in_both_languages_and_both_files(files: dict[str, bytes]) -> None:
    numbers, page, text = numbers_of(files), page_of(files), files["model-card.md"].decode()
    for part in numbers["predicted"]:
        name = f"{part['low']:.1f}–{part['high']:.1f}"
        cells = [name, *(f"{count:,}" for count in part["rows"])]
        assert text.count("| " + " | ".join(cells)) == 2
        assert page.count("".join(f"<td>{cell}</td>" for cell in cells)) == 2
    for part in (*numbers["lengths"], *numbers["groups"]["slices"]):
        cells = [part["name"], f"{part['rows']:,}", f"{part['mae']:.2f} ±{part['margin']:.2f}", f"{part['bias']:+.2f}"]
        assert text.count("| " + " | ".join(cells)) == 2
        assert page.count("".join(f"<td>{cell}</td>" for cell in cells)) == 2


def test_the_card_is_japanese_first_and_english_after(files: dict[str, bytes]) -> None:
    page, text = page_of(files), files["model-card.md"].decode()
    assert page.index('<article id="ja" lang="ja">') < page.index('<article id="en" lang="en">')
    assert text.index("## 日本語") < text.index("## English")
    for japanese, english in (
        ("星の分布", "Distribution of stars"),
        ("制約と注意", "Limits"),
        ("影響の大きい単語", "words"),
    ):
        assert text.index(japanese) < text.index(english)
    english_page = page[page.index('<article id="en"') : page.index("</article>", page.index('<article id="en"'))]
    sentences = re.findall(r"<(?:p|h2|li|th|caption|figcaption)>([^<]*)<", english_page)
    assert not [said for said in sentences if re.search(r"[ぁ-んァ-ヶ一-龠]", said)]


def test_the_card_has_the_coverage_of_the_intervals(files: dict[str, bytes]) -> None:
    assert files["model-card.md"].decode().count("| 80% | 81.2% | 1.94 |") == 2


def test_the_card_says_how_reviews_were_held_out(inputs: Inputs) -> None:
    evaluation = inputs.facts.evaluation
    folds = inputs.render()
    part = inputs.render(evaluation=replace(evaluation, kind="part", folds=1))
    for name in ("model-card.md", "model-card.html"):
        by_folds, by_part = folds[name].decode(), part[name].decode()
        for text in ("by 5-fold cross-validation", "5 分割交差検証で"):
            assert text in by_folds
            assert text not in by_part
        rows = f"{evaluation.rows:,}"
        for text in (f"{rows} reviews in one held-out part", f"取り分けた {rows} 件のレビュー"):
            assert text in by_part
            assert text not in by_folds
        assert not re.search(r"one[- ]fold|1[- ]fold|一分割|1 分割", by_part)


def test_the_most_common_stars_are_a_share_of_the_held_out_reviews(inputs: Inputs) -> None:
    facts = inputs.facts
    many_fitted = replace(facts.corpus, rows=4 * facts.corpus.rows)
    text = inputs.render(evaluation=replace(facts.evaluation, kind="part", folds=1), corpus=many_fitted)
    counts = np.bincount(inputs.reviews.stars.astype(int))
    share = f"{counts.max() / counts.sum():.0%}"
    assert f"Of the held-out reviews, {share} have the most common stars" in text["model-card.md"].decode()
    assert f"★{counts.argmax()} で、{share} を占めます" in text["model-card.md"].decode()


def test_lines_of_a_paragraph_are_joined_as_its_language_does() -> None:
    assert unwrap("\nOne line\nand another.\n") == "One line and another."
    assert unwrap("\n一行目。\n二行目と RMSE\nの三行目\n") == "一行目。二行目と RMSE の三行目"


def test_a_model_of_the_embedded_reviews_says_who_wrote_them(inputs: Inputs, files: dict[str, bytes]) -> None:
    embedded = inputs.render(corpus=replace(inputs.facts.corpus, embedded=True))
    for name, content in embedded.items():
        for said in (
            "学習に使ったレビューは、このプロジェクトのために言語モデルが書いたもので、",
            "A language model wrote the reviews that the model was fitted on, for this project",
        ):
            assert content.decode().count(said) == 1
            assert said not in files[name].decode()
    assert [numbers_of(each)["corpus"]["embedded"] for each in (embedded, files)] == [True, False]


def test_the_same_input_gives_the_same_bytes(inputs: Inputs, files: dict[str, bytes]) -> None:
    assert inputs.render() == files
    assert set(files) == {"model-card.md", "model-card.html"}


def test_the_card_discloses_no_review_and_no_path(inputs: Inputs, files: dict[str, bytes]) -> None:
    # What is shorter than this may be a word or a phrase that many reviews have.
    long = [text for text in inputs.texts if len(text) >= 12]
    assert len(long) > 500
    for content in files.values():
        everything = content.decode()
        assert not [text for text in long if text in everything or text[:12] in everything]
        assert not re.search(r"[\s\"'](/[a-z]+){2}", everything)


def test_the_page_opens_without_a_network(files: dict[str, bytes]) -> None:
    page = page_of(files)
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_without_groups_and_with_few_reviews_the_card_says_so(make: Callable[..., Inputs]) -> None:
    few = make(step=220, group=lambda *_: "")
    files = few.render(evaluation=replace(few.facts.evaluation, group=""))
    text = files["model-card.md"].decode()
    assert len(few.texts) < 50
    assert "No column of groups was given." in text
    assert "同じ商品のレビューが学習用と検証用の両方に含まれている" in text
    assert len(plots_of(files)) == 6
    assert not re.search(r"\bnan\b|\bNone\b", text)


def test_too_many_groups_are_counted_and_not_listed(make: Callable[..., Inputs]) -> None:
    text = make(step=60, group=lambda at, _: f"shop {at % 41}").render()["model-card.md"].decode()
    assert "There are 41 groups, which are too many to list" in text
    assert "shop 1" not in text


def test_names_of_groups_cannot_break_the_card(make: Callable[..., Inputs]) -> None:
    hostile = '</script><b>|"&\ud800'
    some = make(step=60)
    named = some.reviews._replace(groups=[hostile if at % 2 else "" for at in range(len(some.texts))])
    files = some._replace(reviews=named).render()
    assert "<b>" not in page_of(files)
    assert {part["name"] for part in numbers_of(files)["groups"]["slices"]} == {"", hostile.replace("\ud800", "?")}
    assert r"\</script\>\<b\>\|" in files["model-card.md"].decode()
    assert len(plots_of(files)) == 8


def test_reviews_of_one_star_only_are_drawn_too(make: Callable[..., Inputs]) -> None:
    some = make(step=60)
    fives = np.full(len(some.texts), 5.0)
    five = some._replace(
        reviews=some.reviews._replace(stars=fives), predictions=some.predictions._replace(model=fives, constant=fives)
    )
    numbers = numbers_of(five.render())
    assert [star["rows"] for star in numbers["stars"]] == [0, 0, 0, 0, len(some.texts)]
    assert numbers["predicted"][-1]["rows"][-1] == len(some.texts)
