"""The model card of a bundle: what it learned from, how right it is, which words move it, what it is not for.

Everything is measured once, by ``measure_card``; tables and plots of both languages are drawn from those numbers, and
the page carries them as JSON too. Nothing in them is the text of a review, a path or a date.
"""

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from review_scorer.scoring.bundle import Trained
from review_training.card.blocks import Plot, Points, Section, Table
from review_training.card.numbers import Numbers, Reviews, measure_card
from review_training.card.text import sections
from review_training.evaluation.cross_validation import HeldOut
from review_training.model.fit import Support

_PAGE = Path(__file__).with_name("card.html")


def render(
    *, facts: Mapping[str, Any], own: Reviews, held_out: HeldOut, trained: Trained, support: Support
) -> dict[str, bytes]:
    """Return the card's files by name: ``model-card.md`` and ``model-card.html``, the same bytes for the same input.

    ``facts`` is what the manifest says of the training, ``own`` are the reviews that were held out, ``support`` says on
    what the terms of ``trained`` stand.
    """
    numbers = measure_card(facts=facts, own=own, held_out=held_out, trained=trained, support=support)
    japanese, english = sections(numbers, lambda ja, _: ja), sections(numbers, lambda _, en: en)
    files = {"model-card.md": _markdown(japanese, english), "model-card.html": _html(numbers, japanese, english)}
    # A group's name may hold half of a surrogate pair.
    return {name: content.encode(errors="replace") for name, content in files.items()}


def _markdown(japanese: Sequence[Section], english: Sequence[Section]) -> str:
    parts = ["# モデルカード / Model card", "[日本語](#日本語) · [English](#english)"]
    for language, card in (("日本語", japanese), ("English", english)):
        parts.append(f"## {language}")
        for section in card:
            parts.append(f"### {section.title}")
            parts += [_markdown_block(block) for block in section.blocks if not isinstance(block, Plot)]
    return "\n\n".join(parts) + "\n"


def _markdown_block(block: str | Table | Points) -> str:
    match block:
        case Table():
            return _markdown_table(block)
        case Points():
            return "\n".join(f"- {_marked(sentence)}" for sentence in block.sentences)
        case str():
            return _marked(block)


def _markdown_table(table: Table) -> str:
    rows = [[_marked(cell) for cell in row] for row in table.rows]
    if table.bars:
        rows = [[*row, "█" * round(12 * bar)] for row, bar in zip(rows, table.bars, strict=True)]
    columns = [*map(_marked, table.columns), *([""] if table.bars else [])]
    align = "---" if table.style == "facts" else "---:"
    rules = ["---", *([align] * (len(table.columns) - 1)), *(["---"] if table.bars else [])]
    lines = [f"| {' | '.join(row)} |" for row in (columns, rules, *rows)]
    caption = f"**{table.caption}**\n\n" if table.caption else ""
    return caption + "\n".join(lines)


def _marked(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", " ".join(text.split()))


def _html(numbers: Numbers, japanese: Sequence[Section], english: Sequence[Section]) -> str:
    articles = [
        f'<article id="{language}" lang="{language}">\n<h1>{title}</h1>\n'
        + "\n".join(map(_html_section, card))
        + "\n</article>"
        for language, title, card in (("ja", "モデルカード", japanese), ("en", "Model card", english))
    ]
    data = json.dumps(numbers, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = Template(_PAGE.read_text(encoding="utf-8"))
    return page.substitute(articles="\n".join(articles), numbers=data)


def _html_section(section: Section) -> str:
    said = [f"<p>{escape(block)}</p>" for block in section.blocks if isinstance(block, str)]
    plots = [_html_block(block) for block in section.blocks if isinstance(block, Plot)]
    shown = [_html_block(block) for block in section.blocks if isinstance(block, Table | Points)]
    if plots:  # beside each other, where there is room: the plot, and all tables
        shown = [*plots, "<div>", *shown, "</div>"]
    if shown:
        shown = [f'<div class="{f"blocks {section.style}".strip()}">', *shown, "</div>"]
    return "\n".join(["<section>", f"<h2>{escape(section.title)}</h2>", *said, *shown, "</section>"])


def _html_block(block: Table | Plot | Points) -> str:
    match block:
        case Table():
            return _html_table(block)
        case Plot():
            caption = f"<figcaption>{escape(block.caption)}</figcaption>\n" if block.caption else ""
            return f"<figure>\n{block.svg}\n{caption}</figure>"
        case Points():
            return "<ul>\n" + "\n".join(f"<li>{escape(sentence)}</li>" for sentence in block.sentences) + "\n</ul>"


def _html_table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    heads = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    lines = [f'<div class="table {table.style}"><table>{caption}', f"<tr>{heads}</tr>"]
    for at, row in enumerate(table.rows):
        first, *others = map(escape, row)
        # Where there is no plot beside it, the table itself shows its bars.
        bar = f'<i style="width:{table.bars[at]:.1%}"></i>' if table.style in {"for", "against"} else ""
        kind = ' class="best"' if table.style == "first" and at == 0 else ""
        lines.append(f"<tr{kind}><td>{first}{bar}</td>" + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>")
    return "\n".join([*lines, "</table></div>"])
