"""The HTML report in a real browser: the plots show the values of the JSON report."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from review_stress.results.page import write_page
from tests.support.stress_servers import Answer, Request, answering, stress

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium (Debian's package chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of a real run with all kinds of outcomes, and added observations of a cluster."""

    async def behave(request: Request) -> Answer:
        match request.number % 12:
            case 5:
                return Answer(b"{}", 503, {"Retry-After": "1"})
            case 7:
                return Answer(b"oops", 500)
            case 9:
                return Answer(b'{"score": 7}')
        return Answer()

    folder = tmp_path_factory.mktemp("report")
    with answering(behave) as server:
        words = ("--profile", "step", "--steps", 4, "--rate", 200, "--duration", "4s", "--objective", "p99<250ms")
        made = stress(folder, server.url, *words, "--html", folder / "own.html").report
    for number, row in enumerate(made["timeline"]):
        row["replicas"] = {"desired": 2 + number // 2, "ready": 2 + number // 3}
        row["hpa"] = {"target": 70.0, "current": 40.0 + 20 * number}
    # A window without responses is a gap, and no text may break the script element.
    made["timeline"][1]["latency_ms"] = None
    made["warnings"] = ["</script><script>document.title='broken'</script>"]
    made["kubernetes"] = {
        "metric": "cpu",
        "good": "p99<250ms",
        "scale_up": {"step": 0.0, "degraded": None, "first_ready": 2.5, "recovered": None},
        "suggestion": {"min_replicas": 3, "cpu_target": 55, "why": "so it was measured"},
        "events": [{"t": 1.2, "event": "started", "pod": "scorer-c"}, {"t": 2.5, "event": "ready", "pod": "scorer-c"}],
        "error": None,
    }
    made["own_page"] = str(folder / "own.html")
    return made


@pytest.fixture(scope="module")
def opened(browser: Browser, report: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(report, path)
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    troubles: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert troubles == []
    # The page loads nothing but itself.
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    page.close()


def plotted(page: Page, plot: str) -> dict[str, list[tuple[float, float]]]:
    """Return the points of the lines of a plot, converted from pixels to values."""
    found: dict[str, list[tuple[float, float]]] = {}
    scale = page.eval_on_selector(f"#{plot}", "svg => ({...svg.dataset})")
    paths = page.eval_on_selector_all(
        f"#{plot} path.series", "all => all.map(p => [p.dataset.series, p.getAttribute('d')])"
    )
    for name, drawn in paths:
        x = y = 0.0
        found[name] = []
        for letter, numbers in re.findall(r"([MLHV])([-\d. ]+)", drawn):
            values = [float(number) for number in numbers.split()]
            if letter in "ML":
                x, y = values
            elif letter == "H":
                (x,) = values
                continue
            else:
                (y,) = values
            found[name].append((value(scale, "x", x), value(scale, "y", y)))
    return found


def value(scale: dict[str, str], axis: str, pixel: float) -> float:
    low, high, start, end = (float(scale[f"{axis}{name}"]) for name in ("Low", "High", "From", "To"))
    part = (pixel - start) / (end - start)
    if scale[f"{axis}Kind"] == "log":
        return math.exp(math.log(low) + part * math.log(high / low))
    return low + part * (high - low)


def expected(report: dict[str, Any], *path: str) -> list[tuple[float, float]]:
    points = []
    for row in report["timeline"]:
        found = row
        for name in path:
            found = found[name] if found is not None else None
        if found is not None:
            points.append((row["t"], found))
    return points


@pytest.mark.parametrize(
    ("plot", "series", "path"),
    [
        ("rate", "offered", ("arrival_rate",)),
        ("rate", "ok", ("rate",)),
        ("latency", "p50", ("latency_ms", "p50")),
        ("latency", "p90", ("latency_ms", "p90")),
        ("latency", "p99", ("latency_ms", "p99")),
        ("latency", "p99.9", ("latency_ms", "p999")),
        ("latency", "max", ("latency_ms", "max")),
        ("replicas", "desired", ("replicas", "desired")),
        ("replicas", "ready", ("replicas", "ready")),
        ("autoscaler", "target", ("hpa", "target")),
        ("autoscaler", "current", ("hpa", "current")),
    ],
)
def test_the_plots_show_the_timeline(
    opened: Page, report: dict[str, Any], plot: str, series: str, path: tuple[str, ...]
) -> None:
    wanted = expected(report, *path)
    found = plotted(opened, plot)[series]
    assert len(found) == len(wanted) >= 3
    most = max(value for _, value in wanted)
    for (t, drawn), (when, figure) in zip(found, wanted, strict=True):
        assert t == pytest.approx(when, abs=0.01)
        # Pixels are rounded to hundredths.
        assert drawn == pytest.approx(figure, rel=0.002, abs=0.001 * most)


def test_the_bars_show_the_outcomes(opened: Page, report: dict[str, Any]) -> None:
    scale = opened.eval_on_selector("#outcomes", "svg => ({...svg.dataset})")
    unit = abs(float(scale["yTo"]) - float(scale["yFrom"])) / (float(scale["yHigh"]) - float(scale["yLow"]))
    bars = opened.eval_on_selector_all(
        "#outcomes rect", "all => all.map(r => [r.dataset.series, +r.dataset.index, +r.getAttribute('height')])"
    )
    drawn = {(series, index): height / unit for series, index, height in bars}
    for index, row in enumerate(report["timeline"]):
        for name, count in row["outcomes"].items():
            if count * unit > 1:
                assert drawn[name, index] == pytest.approx(count, abs=0.02 / unit)
            else:
                assert ((name, index) in drawn) == (count > 0)


def test_the_percentile_curve_is_that_of_the_report(opened: Page, report: dict[str, Any]) -> None:
    found = plotted(opened, "curve")["latency"]
    assert [milliseconds for _, milliseconds in found] == pytest.approx([y for _, y in report["curve"]], rel=0.002)
    shares = [100 * (1 - 1 / x) for x, _ in found[:-1]]
    assert shares == pytest.approx([share for share, _ in report["curve"][:-1]], abs=0.05)


def test_hovering_shows_the_same_time_in_all_plots(opened: Page, report: dict[str, Any]) -> None:
    scale = opened.eval_on_selector("#rate", "svg => ({...svg.dataset})")
    box = opened.locator("#rate").bounding_box()
    assert box
    width = float(scale["xTo"]) - float(scale["xFrom"])
    opened.mouse.move(box["x"] + float(scale["xFrom"]) + width * 2 / float(scale["xHigh"]), box["y"] + 40)
    said = opened.locator("section", has=opened.locator("#replicas")).locator(".head").inner_text()
    row = report["timeline"][2]
    assert "at 2 s" in said
    assert f"ready {row['replicas']['ready']}" in said
    shown = opened.locator("section", has=opened.locator("#outcomes")).locator(".head").inner_text()
    assert f"ok {row['outcomes']['ok']}" in shown


def test_the_page_shows_the_texts_of_the_report(opened: Page, report: dict[str, Any]) -> None:
    text = opened.locator("main").inner_text()
    assert report["target"] in text
    assert "✓ p99<250ms" in text
    assert "minReplicas 3, CPU target 55%" in text
    assert "</script><script>document.title='broken'</script>" in text
    assert opened.title() == f"Load on {report['target']}"
    embedded = json.loads(opened.locator("#report").text_content() or "")
    assert embedded["outcomes"] == report["outcomes"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme_and_fits_a_phone(
    browser: Browser, report: dict[str, Any], scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme)
    page.goto(Path(report["own_page"]).as_uri())
    bright = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + +b, 0)")
    assert (bright > 600) == (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.close()
