"""The report as a self-contained HTML page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from review_stress.results.report import dump

TEMPLATE = Path(__file__).with_name("page.html")
PLACEHOLDER = "/*REPORT*/"
HISTOGRAMS = {"histogram", "shed_histogram"}


def write_page(report: Mapping[str, Any], path: Path) -> None:
    """Write the page, without the histograms of the windows, which the plots do not need."""
    timeline = [{name: value for name, value in row.items() if name not in HISTOGRAMS} for row in report["timeline"]]
    # Escaped, so that no text of the report can end the script element.
    data = dump({**report, "timeline": timeline}).replace("<", "\\u003c")
    path.write_text(TEMPLATE.read_text(encoding="utf-8").replace(PLACEHOLDER, data), encoding="utf-8")
