"""What is counted is what was done, whichever worker did it and whatever became of that worker."""

import asyncio
import math
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from review_scorer.scoring.bundle import load
from review_scorer.scoring.distribution import BINS, COVERAGE_EDGES, SCORE_EDGES, count
from review_scorer.scoring.scorer import Prediction
from review_scorer.telemetry.drift import LEAST, SPAN_SECONDS, SPANS, Recent, stability_index
from review_scorer.telemetry.histogram import Histogram
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware
from review_scorer.telemetry.score_metrics import ScoreMetrics
from review_scorer.telemetry.shared_counters import SharedCounters
from tests.support.running import Server, serving
from tests.support.scraping import scrape

SCORES = "/api/1/scores"


@pytest.fixture
def watched(tiny_bundle: Path) -> Iterator[Server]:
    """A fresh server, as what is counted must not come from another test."""
    with serving(tiny_bundle) as server:
        yield server


def requests(server: Server, *, route: str = SCORES, status: int = 200) -> float:
    return scrape(server).get(f"scorer_requests_total{{route={route},status={status}}}", 0)


def ask(server: Server, times: int, texts: str | list[str] = "良い宿でした") -> None:
    """Ask over a connection each: the kernel deals them out to the workers."""

    def post(_index: int) -> int:
        return httpx.post(f"{server.url}{SCORES}", json={"texts": texts}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(times))) == {200}


def until(holds: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


def without_one(server: Server, signal_: signal.Signals) -> None:
    """End a worker and wait for the one in its place."""
    before = server.workers()
    os.kill(before[0], signal_)
    until(lambda: before[0] not in server.workers() and len(server.workers()) == 2)


def test_two_workers_count_together(watched: Server) -> None:
    ask(watched, 60)
    ask(watched, 4, ["良い宿", "悪い宿", "普通"])
    seen = scrape(watched)
    assert seen[f"scorer_requests_total{{route={SCORES},status=200}}"] == 64
    assert seen[f"scorer_request_duration_seconds_count{{route={SCORES}}}"] == 64
    assert seen["scorer_texts_total"] == 60 + 4 * 3
    assert seen["scorer_score_stars_count"] == seen["scorer_vocabulary_coverage_ratio_count"] == 72
    assert seen["scorer_score_stars_bucket{le=+Inf}"] == seen["scorer_score_stars_bucket{le=5.0}"] == 72
    assert seen["scorer_requests_in_flight"] == 1  # the one that asks


def test_whichever_worker_is_asked_says_the_same(watched: Server) -> None:
    ask(watched, 20)
    asked = []
    for stopped in watched.workers():
        os.kill(stopped, signal.SIGSTOP)
        try:
            # The kernel may hand a connection to the stopped worker; another one goes to the other.
            for _ in range(10):
                try:
                    text = httpx.get(f"{watched.url}/metrics", timeout=2).text
                except httpx.TimeoutException:
                    continue
                asked.append(re.findall(r"(?m)^scorer_texts_total (.*)$", text))
                break
        finally:
            os.kill(stopped, signal.SIGCONT)
    assert asked == [["20.0"], ["20.0"]]


def test_sums_are_of_what_was_answered(watched: Server, tiny_bundle: Path) -> None:
    texts = ["良い宿でした", "最悪", "まあまあ普通の部屋"]
    scorer = load(tiny_bundle).scorer
    ask(watched, 3, texts)
    seen = scrape(watched)
    assert seen["scorer_score_stars_sum"] == pytest.approx(3 * sum(scorer.score_many(texts)))
    assert seen["scorer_vocabulary_coverage_ratio_sum"] == pytest.approx(
        3 * sum(prediction.vocabulary_coverage for prediction in scorer.predict_many(texts))
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_dead_workers_counts_stay_and_its_death_is_counted(watched: Server, how: signal.Signals) -> None:
    ask(watched, 40)
    without_one(watched, how)
    ask(watched, 10)
    seen = scrape(watched)
    assert seen["scorer_texts_total"] == seen[f"scorer_requests_total{{route={SCORES},status=200}}"] == 50
    assert seen["scorer_worker_restarts_total"] == 1


def test_what_a_killed_worker_had_in_hand_is_not_in_flight_for_ever(watched: Server) -> None:
    before = set(watched.workers())
    head = f"POST {SCORES} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()
    with socket.create_connection(watched.address) as waiting:
        waiting.sendall(head)
        until(lambda: scrape(watched)["scorer_requests_in_flight"] == 2)
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(set(watched.workers()) - before) == 2)
    until(lambda: scrape(watched)["scorer_requests_in_flight"] == 1)


def test_a_reload_keeps_the_counts_and_is_no_restart(watched: Server) -> None:
    ask(watched, 30)
    before = set(watched.workers())
    watched.process.send_signal(signal.SIGHUP)
    until(lambda: len(watched.workers()) == 2 and not before & set(watched.workers()))
    ask(watched, 10)
    seen = scrape(watched)
    assert seen["scorer_texts_total"] == 40
    assert seen["scorer_worker_restarts_total"] == 0
    assert (seen["scorer_bundle_reloads_total"], seen["scorer_bundle_refusals_total"]) == (1, 0)


def test_a_bundle_that_was_refused_is_counted(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    with serving(bundle) as server:
        (bundle / "idf.npy").write_bytes(b"damaged")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: scrape(server)["scorer_bundle_refusals_total"] == 1)
        assert scrape(server)["scorer_bundle_reloads_total"] == 0


def test_errors_count_by_status_and_unknown_paths_as_one_route(watched: Server) -> None:
    for path in ("/wp-login.php", "/a/b", "/%00", "/api/1/scores/"):
        assert httpx.get(watched.url + path).status_code == 404
    httpx.post(watched.url + SCORES, content=b"{")
    httpx.post(watched.url + SCORES, content=b" " * 2_000_000)
    httpx.delete(watched.url + SCORES)
    assert requests(watched, route="other", status=404) == 4
    assert [requests(watched, status=status) for status in (400, 413, 405, 200)] == [1, 1, 1, 0]
    assert not [name for name in scrape(watched) if "wp-login" in name]


def test_it_says_what_answers(watched: Server, tiny_bundle: Path) -> None:
    (info,) = [name for name in scrape(watched) if name.startswith("scorer_info")]
    assert f"bundle={load(tiny_bundle).digest}" in info
    assert "version=" in info


def test_both_formats_are_what_they_claim(watched: Server) -> None:
    ask(watched, 1)
    plain = httpx.get(f"{watched.url}/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    newer = httpx.get(f"{watched.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in parse_openmetrics(newer.text)}  # type: ignore[no-untyped-call]
    assert families == {re.sub("_(total|info)$", "", family.name) for family in parse(plain.text)}


def test_many_scores_unlike_those_of_training_are_drift(watched: Server, reviews: list[dict[str, str]]) -> None:
    assert math.isnan(scrape(watched)["scorer_score_psi"])
    ask(watched, 2, [review["texts"] for review in reviews[:600]])
    alike = scrape(watched)
    assert 0 <= alike["scorer_score_psi"] < 0.1
    assert 0 <= alike["scorer_vocabulary_coverage_psi"] < 0.25
    ask(watched, 5, ["素晴らしい、最高でした。"] * 1000)
    ask(watched, 5, ["ワカラヌコトバ"] * 1000)
    unlike = scrape(watched)
    assert unlike["scorer_score_psi"] > 0.25
    assert unlike["scorer_vocabulary_coverage_psi"] > 0.25


def test_metrics_can_be_turned_off(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, METRICS="off") as server:
        assert server.client.get("/metrics").status_code == 404
        assert server.client.post(SCORES, json={"texts": "良い"}).status_code == 200


def test_the_index_of_equal_shares_is_nought_and_of_known_ones_known() -> None:
    even = [1_000_000] * 2
    assert stability_index(even, even) == 0
    # 0.2·ln(0.7/0.5) + 0.2·ln(0.5/0.3)
    expected = 0.2 * math.log(1.4) + 0.2 * math.log(0.5 / 0.3)
    assert stability_index([7_000_000, 3_000_000], even) == pytest.approx(expected, rel=1e-5)


def test_too_few_values_have_no_index_and_an_empty_bin_a_finite_one() -> None:
    assert math.isnan(stability_index([LEAST - 1, 0], [1, 1]))
    assert math.isfinite(stability_index([LEAST, 0], [0, 1_000]))


@pytest.mark.parametrize(
    ("value", "edges", "bin_"),
    [
        (1.0, SCORE_EDGES, 0),
        (1.4, SCORE_EDGES, 0),
        (1.41, SCORE_EDGES, 1),
        (5.0, SCORE_EDGES, 9),
        (0.0, COVERAGE_EDGES, 0),
        (0.3, COVERAGE_EDGES, 2),
        (0.9, COVERAGE_EDGES, 8),
        (1.0, COVERAGE_EDGES, 9),
    ],
)
def test_an_edge_belongs_to_the_bin_below_it(value: float, edges: Sequence[float], bin_: int) -> None:
    assert count([value], edges) == [int(index == bin_) for index in range(BINS)]


def test_values_beyond_the_last_edge_are_counted() -> None:
    tallies = SharedCounters()
    histogram = Histogram(tallies, "seconds", (1.0, 2.0))
    for value in (0.5, 1.0, 7.0):
        histogram.observe(tallies.own, value)
    assert histogram.sample(tallies.sums) == ([("1.0", 2), ("2.0", 2), ("+Inf", 3)], 8.5)


def test_a_bundle_that_keeps_no_distribution_has_no_drift() -> None:
    metrics = ScoreMetrics(SharedCounters(), None, bundle="0f3c7a")
    metrics.scored([Prediction(3.0, (2.0, 4.0), 1.0, 9)] * LEAST)
    drifts = [sample for metric in metrics.collect() for sample in metric.samples if sample.name.endswith("_psi")]
    assert [math.isnan(sample.value) for sample in drifts] == [True, True]


def test_what_is_recent_is_forgotten_after_an_hour_and_with_its_bundle() -> None:
    now = [0.0]
    tallies = SharedCounters()
    recent, other = (Recent(tallies, "recent", bundle=digest, clock=lambda: now[0]) for digest in ("0f3c7a", "b1d402"))
    ones = [1] * BINS
    recent.add(ones)
    now[0] = SPAN_SECONDS * (SPANS - 1)
    recent.add(ones)
    assert recent.counts.tolist() == [2] * BINS
    now[0] = SPAN_SECONDS * SPANS
    assert recent.counts.tolist() == [1] * BINS
    recent.add(ones)  # into the place of the first
    assert recent.counts.tolist() == [2] * BINS
    assert other.counts.tolist() == [0] * BINS


def test_rows_of_the_living_are_not_given_away_and_those_of_the_dead_are() -> None:
    tallies = SharedCounters()
    assert [tallies.free_row([]), tallies.free_row([1]), tallies.free_row([2]), tallies.free_row([1, 2])] == [
        1,
        2,
        1,
        3,
    ]


def test_templates_are_routes_and_a_client_that_went_away_is_499() -> None:
    ended: list[tuple[str, int]] = []
    watch = RequestEvents()
    watch.ended.append(lambda exchange: ended.append((exchange.route, exchange.status)))

    async def silent(*_asgi: object) -> None:
        """Answer nothing."""

    app = TelemetryMiddleware(silent, watch, routes=["/api/1/scores/{id}/feedback", "/page/{name}"])
    for path in ("/api/1/scores/a1/feedback", "/page/x.js", "/page/x/y", "/page/"):
        asyncio.run(app({"type": "http", "path": path, "headers": []}, silent, silent))  # type: ignore[arg-type]
    assert ended == [("/api/1/scores/{id}/feedback", 499), ("/page/{name}", 499), ("other", 499), ("other", 499)]
