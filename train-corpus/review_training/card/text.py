"""What the model card says, in Japanese and in English: sections of sentences, tables and plots from its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from review_training.card.blocks import Plot, Points, Say, Section, Table, group_name
from review_training.card.numbers import MOST_GROUPS, STARS, Numbers
from review_training.card.plots import agreement_plot, errors_plot, stars_plot
from review_training.evaluation.rating_metrics import Figures


def sections(numbers: Numbers, say: Say) -> list[Section]:
    """Return the card in one language."""
    return [
        _about(numbers, say),
        _comparison(numbers, say),
        _distribution(numbers, say),
        _agreement(numbers, say),
        _certainty(numbers, say),
        _by_length(numbers, say),
        _by_group(numbers, say),
        _terms(numbers, "words", say("効いている単語", "The strongest words"), say),
        _terms(numbers, "phrases", say("効いている言い回し", "The strongest phrases"), say),
        _limits(numbers, say),
    ]


def _about(numbers: Numbers, say: Say) -> Section:
    corpus = numbers["corpus"]
    rows = [
        (say("学習したレビュー", "reviews it learned from"), f"{corpus['rows']:,}"),
        (say("その星の平均", "their mean stars"), f"{corpus['mean_stars']:.2f}"),
        (say("補助のレビュー", "reviews that helped"), f"{corpus['prior_rows']:,}"),
        (say("語彙", "vocabulary"), say(f"{numbers['terms']:,} 語句", f"{numbers['terms']:,} terms")),
        (say("語彙にある単語の割合(中央値)", "words it knows (median)"), f"{numbers['known']:.0%}"),
        (say("乱数の種", "seed"), f"{numbers['seed']}"),
        (say("版", "version"), numbers["version"]),
        (say("ライブラリ", "libraries"), ", ".join(f"{name} {v}" for name, v in numbers["libraries"].items())),
        (say("コーパスの指紋", "corpus fingerprint"), corpus["fingerprint"][:16]),
    ]
    return Section(
        say("このモデルについて", "What it is"),
        [
            say(
                "日本語のレビューを読み、星の数(1〜5)を小数で答えます。MeCab で単語に分け、"
                "TF-IDF で重みを付け、線形の土台と LightGBM の木を足し合わせます。",
                "It reads a Japanese review and answers with stars, 1 to 5, as a decimal: words by MeCab, weighed by "
                "TF-IDF, a linear base, and LightGBM's trees on what the base leaves over.",
            ),
            Table((say("項目", "fact"), say("値", "value")), rows, style="facts"),
            say(
                "すべての設定値は manifest.json に、図は model-card.html にあります。",
                "All parameters are in manifest.json, the plots in model-card.html.",
            ),
        ],
    )


def _comparison(numbers: Numbers, say: Say) -> Section:
    names = {
        "model": say("このモデル", "this model"),
        "linear": say("線形の土台だけ", "its linear base alone"),
        "constant": say("常に平均を答える", "always the mean"),
        "original": say("元の方式", "the original recipe"),
    }
    rows = [
        (names[name], *(f"{figures[figure]:.3f}" for figure in Figures._fields))
        for name, figures in numbers["figures"].items()
    ]
    folds, column = _method(numbers)
    return Section(
        say("成績", "How right it is"),
        [
            say(
                f"学習に使わなかったレビューでの値です({folds} 分割交差検証"
                + (f"、同じ {column} は必ず同じ側" if column else "")
                + ")。RMSE と MAE は星の数で数えた誤差で、小さいほど良く、"
                "Spearman(順位相関)と QWK(2次の重み付きκ)は 1 が最高です。",
                f"On reviews that were not learned from: {folds} folds"
                + (f", the same {column} always on one side" if column else "")
                + ". RMSE and MAE are errors in stars, lower is better; "
                "Spearman (rank correlation) and QWK (quadratically weighted kappa) are best at 1.",
            ),
            Table((say("答え方", "predictor"), "RMSE", "MAE", "Spearman", "QWK"), rows, style="first"),
        ],
    )


def _method(numbers: Numbers) -> tuple[str, str]:
    """Return the number of folds and the column that kept reviews together, empty where none did."""
    folds, _, column = numbers["method"].partition(" by ")
    return folds.split(" ", 1)[0], column


def _distribution(numbers: Numbers, say: Say) -> Section:
    stars, total = numbers["stars"], sum(star["rows"] for star in numbers["stars"])
    most = max(star["rows"] for star in stars)
    rows = [
        (f"★{star['stars']}", f"{star['rows']:,}", f"{star['rows'] / total:.1%}", f"{star['predicted_rows']:,}")
        for star in stars
    ]
    columns = (
        say("星", "stars"),
        say("レビュー", "reviews"),
        say("割合", "share"),
        say("モデルの答え", "the model's answers"),
    )
    return Section(
        say("星の分布", "Distribution of stars"),
        [
            say(
                "レビューに付いていた星と、学習に使わなかったときのモデルの答え(どちらも整数の星に丸めた数)。",
                "The stars that the reviews came with, and the model's answers to them when it had not learned from "
                "them, both rounded to whole stars.",
            ),
            Plot(stars_plot(stars, say)),
            Table(columns, rows, [star["rows"] / most for star in stars]),
        ],
    )


def _agreement(numbers: Numbers, say: Say) -> Section:
    counts = [
        (
            f"{part['low']:.1f}–{part['high']:.1f}",
            *(f"{count:,}" for count in part["rows"]),
            _or_dash(part["mean_true"]),
        )
        for part in reversed(numbers["predicted"])
    ]
    spread = [
        (f"★{star['stars']}", *(_or_dash(star[name]) for name in ("low", "median", "high")))
        for star in numbers["stars"]
    ]
    return Section(
        say("予測と実際", "Predicted against true"),
        [
            say(
                "学習に使わなかったレビューへの答えを、0.5 刻みで数えたものです。",
                "Answers to reviews that were not learned from, counted by halves of a star.",
            ),
            Plot(
                agreement_plot(numbers, say),
                say(
                    "数字はレビューの件数、濃さは実際の星ごとの割合。橙の点は答えの中央値、"
                    "線は 10〜90% の範囲、破線は完全に当たった場合の位置。",
                    "Numbers count reviews; a cell is as strong as its share of its column. The orange point is the "
                    "median answer, the line spans 10-90% of them, the dashes are where perfect answers would be.",
                ),
            ),
            Table(
                (say("答え", "answer"), *(f"★{star}" for star in STARS), say("実際の平均", "true mean")),
                counts,
                caption=say("答えと実際の星", "Answers by true stars"),
            ),
            Table(
                (say("実際の星", "true stars"), "10%", say("中央値", "median"), "90%"),
                spread,
                caption=say("答えの範囲", "Range of answers"),
            ),
        ],
    )


def _certainty(numbers: Numbers, say: Say) -> Section:
    title, certainty = say("確かさ", "Certainty"), numbers["certainty"]
    if not certainty:
        return Section(title, [say("区間は測っていません。", "No intervals were measured.")])
    columns = (
        say("目標", "wanted"),
        say("実際に入った割合", "held the true stars"),
        say("幅の中央値(星)", "median width (stars)"),
    )
    row = (f"{certainty['level']:.0%}", f"{certainty['coverage']:.1%}", f"{certainty['median_width']:.2f}")
    return Section(
        title,
        [
            say(
                "星の区間が、学習に使わなかったレビューの実際の星を含んだ割合と、その幅です。",
                "How often the interval around a score held the true stars of a review not learned from, "
                "and how wide it is.",
            ),
            Table(columns, [row]),
        ],
    )


def _by_length(numbers: Numbers, say: Say) -> Section:
    return Section(
        say("長さ別の誤差", "Error by length"),
        [
            say(
                "長さは文字数。偏りが正なら、実際の星より高く答えています。"
                "「常に平均」は、平均を答えるだけの場合の MAE です。",
                "In characters. A bias above 0 means answers above the true stars; beside it, the MAE of always "
                "answering the mean.",
            ),
            *_errors(numbers["lengths"], "length", say("文字数", "characters"), say),
        ],
    )


def _by_group(numbers: Numbers, say: Say) -> Section:
    title, count = say("グループ別の誤差", "Error by group"), numbers["groups"]["count"]
    _, column = _method(numbers)
    if slices := numbers["groups"]["slices"]:
        said = say(
            f"{column or 'グループ'} ごと、誤差の大きい順。答えたモデルはどれも、そのグループを学習していません。",
            f"By {column or 'group'}, the largest first. No group was learned from by the model that answered for it.",
        )
        return Section(title, [said, *_errors(slices, "group", column or say("グループ", "group"), say)])
    if count > MOST_GROUPS:
        said = say(
            f"グループは {count:,} あり、一つずつ並べるには多すぎます({MOST_GROUPS} まで)。",
            f"There are {count:,} groups: too many to list, which is done for up to {MOST_GROUPS}.",
        )
    else:
        said = say("グループの列は指定されていません。", "No column of groups was named.")
    return Section(title, [said])


def _errors(slices: Sequence[Mapping[str, Any]], plot: str, name: str, say: Say) -> tuple[Plot, Table]:
    most = max(part["mae"] for part in slices) or 1.0
    columns = (
        name,
        say("件数", "reviews"),
        "MAE ±95%",
        say("偏り", "bias"),
        say("常に平均", "mean's MAE"),
    )
    rows = [
        (
            group_name(part["name"], say),
            f"{part['rows']:,}",
            f"{part['mae']:.2f}" + ("" if part["margin"] is None else f" ±{part['margin']:.2f}"),
            f"{part['bias']:+.2f}",
            f"{part['constant_mae']:.2f}",
        )
        for part in slices
    ]
    return Plot(errors_plot(slices, plot, say)), Table(columns, rows, [part["mae"] / most for part in slices])


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _terms(numbers: Numbers, kind: str, title: str, say: Say) -> Section:
    sides = {"for": say("星を上げる", "For"), "against": say("星を下げる", "Against")}
    columns = (
        say("語", "term"),
        say("重み", "weight"),
        say("件数", "reviews"),
        say("星の平均", "mean stars"),
    )
    found = numbers[kind]
    most = max((abs(term["weight"]) for side in sides for term in found[side]), default=1.0)
    tables = [
        Table(
            columns,
            [
                (term["term"], f"{term['weight']:+.2f}", f"{term['rows']:,}", f"{term['mean_stars']:.2f}")
                for term in found[side]
            ],
            [abs(term["weight"]) / most for term in found[side]],
            caption=caption,
            style=side,
        )
        for side, caption in sides.items()
        if found[side]
    ]
    if not tables:
        return Section(title, [say("十分な件数に現れる語がありません。", "No term stands in enough reviews.")])
    least = numbers["support"]
    said = say(
        f"重みは線形の土台の係数 × idf で、木の分は含みません。{least} 件以上に現れる語だけを並べています。",
        f"The weight is the linear base's coefficient times idf, without the trees. "
        f"Only what stands in {least} reviews or more is listed.",
    )
    return Section(title, [said, *tables], style="words")


def _limits(numbers: Numbers, say: Say) -> Section:
    lowest, highest = numbers["stars"][0], numbers["stars"][-1]
    # A length of few reviews may be worst by chance.
    lengths = [part for part in numbers["lengths"] if part["rows"] >= 30] or numbers["lengths"]
    length = max(lengths, key=lambda part: part["mae"])
    common = max(numbers["stars"], key=lambda star: star["rows"])
    share = common["rows"] / numbers["corpus"]["rows"]
    sentences = [
        say(
            "読むのは言葉だけです。書かれたことが本当か、皮肉か、何についての文句かは分かりません。",
            "It reads words. Whether they are true or ironic, or whom a complaint is about, it cannot tell.",
        ),
        say(
            "日本語のレビュー以外の文や、知らない語ばかりの文にも答えますが、その答えに意味はありません。",
            "It answers other languages, other texts and unknown words too, but such answers mean nothing.",
        ),
        say(
            "一件の答えより、多くの答えの平均や順位のほうが確かです。人を評価したり、"
            "投稿を自動で消したりするためのものではありません。",
            "Means and ranks of many answers are surer than one answer. It is not for judging people, "
            "nor for removing what they wrote without a person looking.",
        ),
        say(
            f"学習したレビューで最も多いのは★{common['stars']}で、{share:.0%} でした。"
            "星の配分が違う所では、答えが全体にずれます。",
            f"Of the reviews that it learned from, {share:.0%} have the most common stars, {common['stars']}. "
            "Where stars are dealt out otherwise, all answers are off by some.",
        ),
        say(
            f"誤差が最も大きいのは {length['name']} 文字のレビューです"
            f"(MAE {length['mae']:.2f}、{length['rows']:,} 件)。",
            f"Its errors are largest on reviews of {length['name']} characters "
            f"(MAE {length['mae']:.2f}, {length['rows']:,} reviews).",
        ),
    ]
    if lowest["median"] is not None and highest["median"] is not None:
        sentences.append(
            say(
                "両端は中央に寄ります。答えの中央値は、"
                f"★1 のレビューで {lowest['median']:.2f}、★5 で {highest['median']:.2f} です。",
                f"Answers are drawn to the middle: their median is {lowest['median']:.2f} for reviews of one star, "
                f"{highest['median']:.2f} for five.",
            )
        )
    if not _method(numbers)[1]:
        sentences.append(
            say(
                "同じ商品のレビューが学習と検証に分かれているかもしれず、新しい商品では成績が落ちることがあります。",
                "Reviews of one product may stand on both sides of the split; on new products it may do worse.",
            )
        )
    if numbers["embedded"]:
        sentences.append(
            say(
                "学習したレビューは、言語モデルがこのプロジェクトのために書いたもので、客の声ではありません。"
                "実際の星は★5に偏るので、実際のレビューへの答えは低めになります。",
                "A language model wrote the reviews that it learned from, for this project: no customer did. Real "
                "stars lean towards five, so its answers to real reviews are lower than theirs.",
            )
        )
    if numbers["corpus"]["prior_rows"]:
        sentences.append(
            say(
                "補助のレビューは別の出所のものです。指定がなければ、言語モデルがこのプロジェクトのために書いたものです。",
                "The reviews that helped are of another origin: unless others were named, a language model wrote them "
                "for this project.",
            )
        )
    return Section(say("限界", "Limits"), [Points(sentences)])
