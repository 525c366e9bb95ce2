"""Validation and normalisation of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_scorer.scoring.errors import TextError
from review_scorer.scoring.text import check, normalise


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("ｽﾊﾞﾗｼｲ", "スバラシイ"),
        ("ＤＶＤ　２枚組", "dvd 2枚組"),
        ("㌔㌘①㍿", "キログラム1株式会社"),
        ("良い\r\n 悪い\t\u3000普通 ", "良い 悪い 普通"),
        ("iPhone", "iphone"),
        ("", ""),
        ("か\u3099", "が"),
        ("良い！！！最高！？！", "良い!最高!?!"),
        ("良い。。。 ", "良い"),
        ("良い。 悪い。", "良い。 悪い"),
        ("。", "。"),
    ],
)
def test_spelling_variants_have_one_normal_form(typed: str, normal: str) -> None:
    assert normalise(typed) == normal


@given(st.text())
def test_a_normal_form_has_no_line_break_and_no_redundant_white_space(text: str) -> None:
    assert "\n" not in normalise(text)
    assert normalise(text) == " ".join(normalise(text).split())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "text_empty"),
        (" \n\u3000\t", "text_empty"),
        ("良い\0悪い", "text_nul"),
        ("良い\ud83d", "text_surrogate"),
        ("あ" * 11, "text_too_long"),
    ],
)
def test_an_invalid_text_is_refused_with_its_code(text: str, code: str) -> None:
    with pytest.raises(TextError) as refused:
        check(text, max_chars=10)
    assert refused.value.code == code


@pytest.mark.parametrize("text", ["あ" * 10, "良", "😀", "　良"])
def test_a_valid_text_passes(text: str) -> None:
    check(text, max_chars=10)
