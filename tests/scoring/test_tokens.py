"""MeCab with the dictionary IPADIC 2.7.0 of the package ``ipadic``."""

from pathlib import Path

import pytest

from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.tokens import Tokenizer, fingerprint


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("部屋は悪くない", ["部屋", "は", "悪く", "ない"]),
        ("すもももももももものうち", ["すもも", "も", "もも", "も", "もも", "の", "うち"]),
        ("dvd 2枚組", ["dvd", "2", "枚", "組"]),
        ("😀😀", ["😀😀"]),
        ("", []),
    ],
)
def test_text_is_split_into_words(tokenizer: Tokenizer, text: str, tokens: list[str]) -> None:
    assert tokenizer(text) == tokens


def test_the_tokens_of_a_text_do_not_depend_on_the_texts_before(tokenizer: Tokenizer) -> None:
    first = tokenizer("この宿は静かで良かった")
    tokenizer("x" * 5_000)
    assert tokenizer("この宿は静かで良かった") == first


def test_the_error_names_the_missing_dictionary_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"sys\.dic"):
        fingerprint(tmp_path)


def test_the_fingerprint_depends_on_every_file_of_the_dictionary(tmp_path: Path) -> None:
    for name in ("sys.dic", "matrix.bin", "dicrc"):
        (tmp_path / name).write_bytes(b"one")
    before = fingerprint(tmp_path)
    (tmp_path / "matrix.bin").write_bytes(b"two")
    assert fingerprint(tmp_path) != before
