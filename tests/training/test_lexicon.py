"""The lexicon of evaluative words, and the texts that are generated from it."""

import csv
from pathlib import Path

import pytest

from review_training.lexicon import command
from review_training.lexicon.conjugation import adjectival_noun, adjective, verb
from review_training.lexicon.entries import COLUMNS, Entry, LexiconError, read
from review_training.lexicon.texts import generate

SHORT_REVIEWS = command.LEXICON.parent / "short_reviews.csv"


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list(read(command.LEXICON))


def stars_of(*entries: Entry) -> dict[str, float]:
    return {text.text: text.stars for text in generate(entries)}


def test_the_shipped_lexicon_is_readable_and_covers_every_part_of_speech(entries: list[Entry]) -> None:
    assert len(entries) > 6_000
    assert {entry.pos for entry in entries} >= {
        "形容詞",
        "形容動詞",
        "動詞五段",
        "名詞",
        "副詞",
        "絵文字",
        "顔文字",
        "記号",
    }
    senses = [(entry.word, entry.pos, entry.nouns) for entry in entries]
    assert len(set(senses)) == len(senses)


def test_generated_texts_are_distinct_and_within_one_to_five_stars(entries: list[Entry]) -> None:
    texts = list(generate(entries))
    assert len(texts) > 50_000
    assert len({text.text for text in texts}) == len(texts)
    assert all(1 <= text.stars <= 5 and text.text.strip() for text in texts)
    assert texts[:1_000] == list(generate(entries))[:1_000]


@pytest.mark.parametrize(
    ("word", "past", "negated"),
    [
        ("汚い", "汚かった", "汚くない"),
        ("かっこいい", "かっこよかった", "かっこよくない"),
        ("良い", "良かった", "良くない"),
    ],
)
def test_adjectives_are_conjugated(word: str, past: str, negated: str) -> None:
    forms = adjective(word)
    assert past in forms.affirmative
    assert negated in forms.negated


def test_the_ending_of_a_lexical_negative_is_not_negated() -> None:
    assert adjective("申し分ない").negated == []


@pytest.mark.parametrize(
    ("word", "pos", "past", "negated"),
    [
        ("壊れる", "動詞一段", "壊れた", "壊れない"),
        ("裏切る", "動詞五段", "裏切った", "裏切らない"),
        ("書く", "動詞五段", "書いた", "書かない"),
        ("行く", "動詞五段", "行った", "行かない"),
        ("頭にくる", "動詞カ変", "頭にきた", "頭にこない"),
        ("満足", "動詞サ変", "満足した", "満足できなかった"),
    ],
)
def test_verbs_are_conjugated(word: str, pos: str, past: str, negated: str) -> None:
    forms = verb(word, pos)
    assert past in forms.affirmative
    assert negated in forms.negated


def test_adjectival_nouns_have_their_attributive_form() -> None:
    assert {"快適です", "快適な"} <= set(adjectival_noun("快適").affirmative)


def test_negation_turns_the_side_and_a_noun_chooses_the_sense() -> None:
    bad = stars_of(Entry(word="まずい", pos="形容詞", stars=1.3))
    assert bad["まずい"] < 2
    assert 3.2 < bad["まずくない"] < 4.5
    dear = Entry(word="高い", pos="形容詞", stars=1.9, nouns=("値段",))
    sharp = Entry(word="高い", pos="形容詞", stars=4.7, nouns=("画質",))
    both = stars_of(dear, sharp)
    assert both["値段が高い"] == 1.9
    assert both["画質が高い"] == 4.7


def test_a_word_without_a_usual_negation_is_not_negated() -> None:
    texts = stars_of(Entry(word="詐欺", pos="名詞", stars=1.0, negatable=False))
    assert "詐欺です" in texts
    assert not [text for text in texts if "ない" in text or "ません" in text]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("良い,よい,形容,4.3,,,,,,", "pos is '形容'"),
        ("良い,よい,形容詞,6,,,,,,", "stars is '6'"),
        (",よい,形容詞,4.3,,,,,,", "the word is empty"),
    ],
)
def test_an_invalid_row_is_named_with_its_line(row: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text(f"{','.join(COLUMNS)}\n{row}\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=rf"words.csv, line 2: {reason}"):
        list(read(tmp_path))


def test_the_command_writes_a_corpus_or_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "texts.csv"
    (tmp_path / "lexicon").mkdir()
    assert command.main(["--out", str(out), "--lexicon", str(tmp_path / "lexicon")]) == 1
    assert "has no CSV file" in capsys.readouterr().err
    assert not out.exists()
    assert command.main(["--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) > 50_000


def test_the_short_reviews_are_distinct_and_cover_all_stars() -> None:
    with SHORT_REVIEWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["texts"] for row in rows}) == len(rows) > 3_000
    assert {float(row["points"]) for row in rows} == {1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5}
    assert all(2 < len(row["texts"]) <= 35 for row in rows)
