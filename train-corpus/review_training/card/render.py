"""Renders the model card of a bundle, in Japanese and English, as Markdown and as an HTML page with plots.

``templates/ja.j2`` and ``en.j2`` hold the text, ``markdown.j2`` and ``html.j2`` the macros that write it in one of the
formats. All numbers are measured once, and the page carries them as JSON too. Neither file contains the text of a
review, a path or a date.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from review_scorer.scoring.bundle import Trained
from review_training.card import plots, tables
from review_training.card.measure import HeldOutReviews, measure_card
from review_training.card.numbers import MOST_GROUPS, CardNumbers
from review_training.evaluation.cross_validation import HeldOutPredictions
from review_training.evaluation.training_facts import TrainingFacts
from review_training.model.term_support import TermSupport

_TEMPLATES = Path(__file__).with_name("templates")


def render_card(
    *,
    facts: TrainingFacts,
    reviews: HeldOutReviews,
    predictions: HeldOutPredictions,
    trained: Trained,
    support: TermSupport,
) -> dict[str, bytes]:
    """Return the card's files by name: ``model-card.md`` and ``model-card.html``, the same bytes for the same input.

    ``reviews`` are those that were held out and ``predictions`` the predictions for them; ``support`` counts the fitted
    reviews that each term of ``trained`` occurs in.
    """
    numbers = measure_card(facts=facts, reviews=reviews, predictions=predictions, trained=trained, support=support)
    files = {"model-card.md": _markdown(numbers), "model-card.html": _html(numbers)}
    # The name of a group may contain half of a surrogate pair.
    return {name: content.encode(errors="replace") for name, content in files.items()}


def _markdown(numbers: CardNumbers) -> str:
    text = _environment("markdown").get_template("page.md.j2").render(numbers=numbers, layout="markdown.j2")
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _html(numbers: CardNumbers) -> str:
    data = json.dumps(asdict(numbers), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = _environment("html").get_template("page.html.j2")
    return page.render(numbers=numbers, layout="html.j2", data=Markup(data))  # noqa: S704 - no "<" is left in it


def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=language == "html",  # noqa: S701 - the macros escape Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": tables.format_number,
        "bars": tables.bar_lengths,
        "unwrap": unwrap,
        "escape_markdown": escape_markdown,
    }
    environment.globals |= {
        "MOST_GROUPS": MOST_GROUPS,
        **{function.__name__: function for function in _FUNCTIONS},
    }
    return environment


_FUNCTIONS = (
    tables.figure_rows,
    tables.star_rows,
    tables.bin_rows,
    tables.range_rows,
    tables.error_rows,
    tables.term_rows,
    plots.stars_plot,
    plots.agreement_plot,
    plots.errors_plot,
)


def unwrap(text: str) -> str:
    """Return a paragraph as one line; lines are joined by a space, but not after a Japanese character."""
    joined = re.sub(r"(?<=[^\x00-\u2fff])\n\s*", "", text.strip())
    return type(text)(re.sub(r"\s*\n\s*", " ", joined))


def escape_markdown(text: str) -> str:
    """Return ``text`` as one line, the characters that mean something in Markdown escaped."""
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", " ".join(text.split()))
