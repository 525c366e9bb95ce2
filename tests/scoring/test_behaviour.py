"""The default model on plain Japanese: the score depends on the words, not on the spelling variant.

The tables were written before their scores were known and are not adjusted: a pair with wrong scores stays. The tokens
are those of IPADIC.
"""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from review_scorer.scoring.bundle import load
from review_scorer.scoring.scorer import Scorer
from tests.training.test_seed_corpus import sentences

TOLERANCE = 0.15
PAIRS_RIGHT = 36
FOREIGN_SHARE = 0.2

ORDINARY = (
    "Wi-Fiの速度が遅くて仕事になりません",
    "USBケーブルが短いけれど、音質は良いです",
    "PS5版で遊びましたが、グラフィックが綺麗でした",
    "ホテルのロビーは広いが、部屋は普通だった",
    "スタッフの対応が悪くてがっかりした",
    "このシャンプーは香りが強すぎて苦手です",
    "Bluetoothのイヤホンを毎日の通勤で使っています",
    "ラーメンのスープは濃いめで、麺は細め",
    "アニメの第2話から急に面白くなった",
    "LINEで予約したら、すぐに返事が来ました",
    "サイズはMで少し大きかった",
    "ケーキの箱がつぶれて届いた",
    "HDMI端子が2つあるので助かります",
    "アプリが起動しなくなったのでアンインストールした",
    "カレーの味は可もなく不可もなく",
    "Kindleで読んだが、図が小さくて見づらい",
    "Amazonで注文して二日で届きました",
    "SDカードを入れたら認識しました",
    "Type-Cのケーブルが付属していて便利",
    "BGMが静かで、作業しながら聴くのにちょうどいい",
)

NEUTRAL = (
    "先月この炊飯器を買いました",
    "家族三人で泊まりました",
    "駅前の店でランチを食べた",
    "友人に誘われて映画館で観た",
    "通販で注文して三日後に届いた",
    "息子の誕生日に贈りました",
    "黒のLサイズを選びました",
    "シリーズの三作目です",
    "寝る前に少しずつ読んでいます",
    "週に二回、仕事の帰りに通っています",
    "猫のトイレの横に置いています",
    "発売日に予約して手に入れた",
)

PAIRS = (
    # negation
    ("この店にはまた行きたい", "この店にはもう行きたくない"),
    ("説明書は分かりやすかった", "説明書は分かりにくかった"),
    ("スピーカーの音質に満足している", "スピーカーの音質に満足していない"),
    ("子どもが気に入って毎晩読んでいる", "子どもが気に入らず一度も読んでいない"),
    ("主人公の生き方に共感できた", "主人公の生き方に共感できなかった"),
    # adjectives
    ("客室が広くて清潔だった", "客室が狭くて不潔だった"),
    ("操作が軽快で気持ちいい", "操作が重くてイライラする"),
    ("画面が明るくて見やすい", "画面が暗くて見づらい"),
    # durability
    ("三年使っても壊れない", "三日使っただけで壊れた"),
    ("何度洗っても色落ちしない", "一度洗っただけで色落ちした"),
    ("縫製がしっかりしていて丈夫だ", "縫製が雑ですぐほつれた"),
    ("充電が二日もつので出張でも安心", "充電が半日ももたず出張では使えない"),
    # service
    ("店員さんの対応がとても丁寧だった", "店員さんの対応がとても横柄だった"),
    ("問い合わせたらすぐに返事が来た", "問い合わせても返事が来ない"),
    ("フロントの方が親切に教えてくれた", "フロントの方に面倒くさそうにされた"),
    ("先生の教え方が上手で、成績が上がった", "先生の教え方が下手で、成績が下がった"),
    # delivery
    ("注文した翌日に届いて助かった", "注文して二週間たっても届かず困った"),
    ("梱包が丁寧で傷一つなかった", "梱包が雑で傷だらけだった"),
    # taste
    ("甘さ控えめで飽きのこない味", "甘すぎて一口で飽きる味"),
    ("肉が柔らかくてジューシーでした", "肉が硬くてパサパサでした"),
    ("スープが濃厚で美味しい", "スープが水っぽくてまずい"),
    # plot
    ("結末に胸を打たれて涙が止まらなかった", "結末に呆れてため息が止まらなかった"),
    ("伏線が見事に回収される", "伏線が全く回収されない"),
    ("テンポが良くて一気に観た", "テンポが悪くて途中で寝た"),
    # fit of clothes, effect on the skin
    ("サイズがぴったりで歩きやすい", "サイズが合わず歩きにくい"),
    ("肌に優しくてしっとりする", "肌が荒れてヒリヒリする"),
    # regret
    ("この掃除機は買って正解だった", "この掃除機は買って失敗だった"),
    ("こんなに便利ならもっと早く買えばよかった", "こんなに不便なら買わなければよかった"),
    ("この鍋には値段以上の価値がある", "この鍋には値段ほどの価値がない"),
    # recommendation
    ("同じ趣味の友人にも薦めたい一冊", "同じ趣味の友人には薦められない一冊"),
    ("初心者にもおすすめできる一台", "誰にもおすすめできない一台"),
    # hedges
    ("多少の不満はあるが、総じて満足", "多少の良さはあるが、総じて不満"),
    ("期待していなかったが、思ったより良かった", "期待していたが、思ったより良くなかった"),
    ("可もなく不可もないが、値段を考えれば十分", "可もなく不可もないが、値段を考えれば不十分"),
    # double negation
    ("悪いところが見つからない", "良いところが見つからない"),
    ("この値段なら買って損はないと思う", "この値段で買う価値はないと思う"),
    ("使わない日はないくらい重宝している", "使う日がないくらい持て余している"),
    # dialect
    ("めっちゃおもろかったわ、また見たい", "全然おもろなかったわ、もう見いひん"),
    ("ほんまに買うてよかったわ", "ほんまに買わんかったらよかったわ"),
    ("なまら美味くて毎週通ってる", "なまら不味くて途中で残した"),
)

FOREIGN = (
    "The quick brown fox jumps over the lazy dog",
    "This product broke after two weeks of normal use",
    "I would recommend this hotel to everyone",
    "Terrible customer service and slow delivery",
    "My daughter loves her new bicycle",
    "Best purchase we ever made",
    "Waste of money",
    "The battery lasts about eleven hours",
    "Shipping took longer than expected but arrived intact",
    "Not worth the price",
    "Lorem ipsum dolor sit amet consectetur adipiscing elit",
    "colorless green ideas sleep furiously",
    "asdfghjkl",
    "qwertyuiop zxcvbnm",
    "blorptastic wug snarfle",
    "xkcd foo bar baz quux",
    "ゲロンポスキュラ",
    "ヴォグニャルデモッチュ",
    "안녕하세요 감사합니다",
    "Съешь ещё этих мягких французских булок",
)

HALF_WIDTH = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0xFF61, 0xFFA0)}


def half_width(text: str) -> str:
    """Return ``text`` with katakana, 「、」 and 「。」 in half width and with separate voicing marks."""
    parts = (unicodedata.normalize("NFD", character) for character in text)
    return "".join("".join(HALF_WIDTH[mark] for mark in part) if part[0] in HALF_WIDTH else part for part in parts)


def full_width(text: str) -> str:
    """Return ``text`` with its Latin letters, digits and ASCII marks in full width."""
    return "".join(chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in text)


VARIANTS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "half-width kana": (str, half_width),
    "full-width Latin": (str, full_width),
    "trailing spaces": (str, lambda text: text + "   "),
    "trailing ideographic space": (str, lambda text: text + "　"),
    "trailing line break": (str, lambda text: text + "\r\n"),
    "full stop": (str, lambda text: text + "。"),
    "capitals for small letters": (str.lower, str.upper),
    "small letters": (str, str.lower),
    "three marks for one": (lambda text: text + "！", lambda text: text + "！！！"),
    "ten marks for one": (lambda text: text + "！", lambda text: text + "！" * 10),
    "narrow marks for a wide one": (lambda text: text + "！", lambda text: text + "!!!!"),
}


@pytest.fixture(scope="module")
def scorer(default_bundle: Path) -> Scorer:
    return load(default_bundle).scorer


@pytest.mark.parametrize("name", VARIANTS)
def test_a_spelling_variant_changes_a_score_by_at_most_the_tolerance(name: str, scorer: Scorer) -> None:
    plain, typed = VARIANTS[name]
    pairs = [(plain(text), typed(text)) for text in ORDINARY if plain(text) != typed(text)]
    assert len(pairs) >= 12
    moves = {typed: round(scorer.score(typed) - scorer.score(plain), 3) for plain, typed in pairs}
    assert {text: move for text, move in moves.items() if abs(move) > TOLERANCE} == {}


def test_added_praise_raises_and_added_rejection_lowers_the_score_of_a_neutral_sentence(scorer: Scorer) -> None:
    for text in NEUTRAL:
        plain = scorer.score(text)
        assert scorer.score(f"{text}。最高でした") > plain, text
        assert scorer.score(f"{text}。二度と買わない") < plain, text


@pytest.mark.parametrize(("better", "worse"), [("良い", "良くない"), ("悪くない", "悪い")])
def test_a_negation_reverses_the_effect_of_the_negated_word(better: str, worse: str, scorer: Scorer) -> None:
    assert scorer.score(better) > scorer.score(worse)


def test_the_better_sentence_scores_higher_in_at_least_36_of_40_pairs(scorer: Scorer) -> None:
    assert len(set(PAIRS)) == 40
    wrong = [pair for pair in PAIRS if scorer.score(pair[0]) <= scorer.score(pair[1])]
    assert len(PAIRS) - len(wrong) >= PAIRS_RIGHT, wrong


def test_the_vocabulary_covers_few_tokens_of_foreign_text(scorer: Scorer) -> None:
    assert len(set(FOREIGN)) == 20
    shares = {text: scorer.predict(text).vocabulary_coverage for text in FOREIGN}
    assert {text: share for text, share in shares.items() if share > FOREIGN_SHARE} == {}


@pytest.mark.parametrize("text", ["qwxzvk", "ゲロンポスキュラ"])
def test_the_coverage_of_a_text_of_unknown_tokens_is_zero(text: str, scorer: Scorer) -> None:
    assert scorer.predict(text).vocabulary_coverage == 0


def test_no_sentence_of_these_tables_is_in_the_seed_corpus(reviews: list[dict[str, str]]) -> None:
    scored = {*ORDINARY, *NEUTRAL, *FOREIGN, *(text for pair in PAIRS for text in pair)}
    scored |= {"最高でした", "二度と買わない", "良い", "良くない", "悪くない", "悪い"}
    own = {unicodedata.normalize("NFKC", text) for text in scored}
    for review in reviews:
        text = unicodedata.normalize("NFKC", review["texts"])
        assert not {part.rstrip("。!?.") for part in (text, *sentences(text))} & own, text
