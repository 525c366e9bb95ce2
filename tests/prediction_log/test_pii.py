"""Personal data is masked, and similar numbers stay."""

import time

import pytest

from review_scorer.prediction_log.pii import mask

MASKED = [
    ("連絡はtaro.yamada@example.comまで。", "連絡は[EMAIL]まで。"),
    ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏ．ｊｐに送った", "[EMAIL]に送った"),
    ("メール:a..b.+shop@docomo.ne.jp、返事なし", "メール:[EMAIL]、返事なし"),
    ("ユーザーtaro_1@mail.example.jpーー", "ユーザー[EMAIL]ーー"),
    ("<info@xn--eckwd4c7c.jp>", "<[EMAIL]>"),
    ("電話03-1234-5678で確認", "電話[PHONE]で確認"),
    ("０９０－１２３４－５６７８です", "[PHONE]です"),
    ("０９０ー１２３４ー５６７８です", "[PHONE]です"),
    ("090−1234–5678または080‐1111—2222", "[PHONE]または[PHONE]"),
    ("09012345678に電話した", "[PHONE]に電話した"),
    ("0312345678", "[PHONE]"),
    ("TEL0312345678", "TEL[PHONE]"),
    ("Tel.03-1234-5678、FAX.０３－１２３４－５６７９", "Tel.[PHONE]、FAX.[PHONE]"),
    ("TEL+81-90-1234-5678", "TEL[PHONE]"),
    ("090-1234-5678,080-1234-5678", "[PHONE],[PHONE]"),
    ("〒060-0001 011 123 4567", "〒060-0001 [PHONE]"),
    ("〒010-0001 018 823 1234", "〒010-0001 [PHONE]"),
    ("電話（０３）１２３４−５６７８", "電話[PHONE]"),
    ("045(123)4567", "[PHONE]"),
    ("090 1234 5678", "[PHONE]"),
    ("090.1234.5678", "[PHONE]"),
    ("フリーダイヤル0120-123-456と0800-123-4567", "フリーダイヤル[PHONE]と[PHONE]"),
    ("ナビダイヤル0570-012-345", "ナビダイヤル[PHONE]"),
    ("+81-90-1234-5678にかけた", "[PHONE]にかけた"),
    ("＋８１　９０　１２３４　５６７８", "[PHONE]"),
    ("call +1 (415) 555-2671 now", "call [PHONE] now"),
    ("+81(0)3-1234-5678", "[PHONE]"),
    ("カード4111 1111 1111 1111で払った", "カード[CARD]で払った"),
    ("４１１１－１１１１－１１１１－１１１１", "[CARD]"),
    ("5555555555554444と378282246310005", "[CARD]と[CARD]"),
    ("3530-1113-3330-0000(JCB)", "[CARD](JCB)"),
    ("4111 1111 1111 1111 12/28、5555-5555-5555-4444 123", "[CARD] 12/28、[CARD] 123"),
    ("2024 4111-1111-1111-1111", "2024 [CARD]"),
    ("銀聯6212 3456 7890 1234 569", "銀聯[CARD]"),
    ("ダイナース3056 930902 5904", "ダイナース[CARD]"),
]

UNCHANGED = [
    "2023-10-05に購入、2024/01/15に故障",
    "05-10-2023と2023.10.05",
    "10:30〜12:45、09-12月",
    "1,090,123,456円、090,123,456",
    "1,234,567円で10,000ポイント",
    "+100000円の差、+20%",
    "〒150-0001、060-0001札幌",
    "JANコード4901234567894、4569951116179",
    "ISBN978-4-00-310101-8",
    "型番WH-1000XM5とSN0312345678",
    "型番AB-0312345678と0312345678A",
    "注文番号249-1234567-1234567",
    "カード番号らしい4111 1111 1111 1112",
    "20231005123456にログ",
    "伝票番号1234-5678-9012",
    "0.0312345678秒",
    "5個@100円、@taro_yamadaを見て",
    "コーヒー3-4杯、スーパー0-1-2",
    "円周率3.14159265358979",
    "容量5000mAh、3840x2160、0-100km/h",
    "003-1234-5678",
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", UNCHANGED)
def test_similar_numbers_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "text", ["0" * 9_999, "0-" * 5_000, "a@" * 5_000, "a." * 5_000, "+1 " * 3_000, "1@" + "a." * 5_000]
)
def test_masking_takes_less_than_half_a_second_for_any_text(text: str) -> None:
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < 0.5
