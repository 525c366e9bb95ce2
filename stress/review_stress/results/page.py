"""The report as one page that opens offline: the data, the style and the script that draws are all in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from review_stress.results.report import dump

TEMPLATE = Path(__file__).with_name("page.html")
PLACE = "/*REPORT*/"
HISTOGRAMS = {"histogram", "shed_histogram"}


def write_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the page; the histograms of the windows stay out, the plots do not need them."""
    timeline = [{name: value for name, value in row.items() if name not in HISTOGRAMS} for row in report["timeline"]]
    # No text of the report may end the script element that holds it.
    data = dump({**report, "timeline": timeline}).replace("<", "\\u003c")
    path.write_text(TEMPLATE.read_text(encoding="utf-8").replace(PLACE, data), encoding="utf-8")
