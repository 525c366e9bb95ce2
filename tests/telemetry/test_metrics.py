"""Metrics are the totals of all workers, live and dead."""

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
from review_scorer.telemetry.drift import MIN_VALUES, SLOT_SECONDS, SLOTS, RecentCounts, population_stability_index
from review_scorer.telemetry.histogram import Histogram
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware
from review_scorer.telemetry.score_metrics import ScoreMetrics
from review_scorer.telemetry.shared_counters import SharedCounters
from tests.support.running import Server, serving
from tests.support.scraping import scrape

SCORES = "/api/1/scores"


@pytest.fixture
def service(tiny_bundle: Path) -> Iterator[Server]:
    """A server of its own for each test, so that its counters start at 0."""
    with serving(tiny_bundle) as server:
        yield server


def requests(server: Server, *, route: str = SCORES, status: int = 200) -> float:
    return scrape(server).get(f"scorer_requests_total{{route={route},status={status}}}", 0)


def post_scores(server: Server, times: int, texts: str | list[str] = "良い宿でした") -> None:
    """Send each request on a connection of its own: the kernel distributes connections over the workers."""

    def post(_index: int) -> int:
        return httpx.post(f"{server.url}{SCORES}", json={"texts": texts}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(times))) == {200}


def until(holds: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.05)


def replace_a_worker(server: Server, signal_: signal.Signals) -> None:
    """End a worker and wait for its replacement."""
    before = server.workers()
    os.kill(before[0], signal_)
    until(lambda: before[0] not in server.workers() and len(server.workers()) == 2)


def test_metrics_add_up_two_workers(service: Server) -> None:
    post_scores(service, 60)
    post_scores(service, 4, ["良い宿", "悪い宿", "普通"])
    seen = scrape(service)
    assert seen[f"scorer_requests_total{{route={SCORES},status=200}}"] == 64
    assert seen[f"scorer_request_duration_seconds_count{{route={SCORES}}}"] == 64
    assert seen["scorer_texts_total"] == 60 + 4 * 3
    assert seen["scorer_score_stars_count"] == seen["scorer_vocabulary_coverage_ratio_count"] == 72
    assert seen["scorer_score_stars_bucket{le=+Inf}"] == seen["scorer_score_stars_bucket{le=5.0}"] == 72
    assert seen["scorer_requests_in_flight"] == 1  # the request for /metrics


def test_both_workers_expose_the_same_totals(service: Server) -> None:
    post_scores(service, 20)
    asked = []
    for stopped in service.workers():
        os.kill(stopped, signal.SIGSTOP)
        try:
            # The kernel may give the connection to the stopped worker; then the next one goes to the other.
            for _ in range(10):
                try:
                    text = httpx.get(f"{service.url}/metrics", timeout=2).text
                except httpx.TimeoutException:
                    continue
                asked.append(re.findall(r"(?m)^scorer_texts_total (.*)$", text))
                break
        finally:
            os.kill(stopped, signal.SIGCONT)
    assert asked == [["20.0"], ["20.0"]]


def test_sums_of_scores_and_coverage_match_the_scorer(service: Server, tiny_bundle: Path) -> None:
    texts = ["良い宿でした", "最悪", "まあまあ普通の部屋"]
    scorer = load(tiny_bundle).scorer
    post_scores(service, 3, texts)
    seen = scrape(service)
    assert seen["scorer_score_stars_sum"] == pytest.approx(3 * sum(scorer.score_many(texts)))
    assert seen["scorer_vocabulary_coverage_ratio_sum"] == pytest.approx(
        3 * sum(prediction.vocabulary_coverage for prediction in scorer.predict_many(texts))
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_counts_of_a_dead_worker_stay_and_its_restart_is_counted(service: Server, how: signal.Signals) -> None:
    post_scores(service, 40)
    replace_a_worker(service, how)
    post_scores(service, 10)
    seen = scrape(service)
    assert seen["scorer_texts_total"] == seen[f"scorer_requests_total{{route={SCORES},status=200}}"] == 50
    assert seen["scorer_worker_restarts_total"] == 1


def test_requests_of_a_killed_worker_are_no_longer_in_flight(service: Server) -> None:
    before = set(service.workers())
    head = f"POST {SCORES} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()
    with socket.create_connection(service.address) as waiting:
        waiting.sendall(head)
        until(lambda: scrape(service)["scorer_requests_in_flight"] == 2)
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(set(service.workers()) - before) == 2)
    until(lambda: scrape(service)["scorer_requests_in_flight"] == 1)


def test_a_reload_keeps_the_counts_and_is_not_a_restart(service: Server) -> None:
    post_scores(service, 30)
    before = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    until(lambda: len(service.workers()) == 2 and not before & set(service.workers()))
    post_scores(service, 10)
    seen = scrape(service)
    assert seen["scorer_texts_total"] == 40
    assert seen["scorer_worker_restarts_total"] == 0
    assert (seen["scorer_bundle_reloads_total"], seen["scorer_bundle_reload_failures_total"]) == (1, 0)


def test_a_failed_bundle_reload_is_counted(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    with serving(bundle) as server:
        (bundle / "idf.npy").write_bytes(b"damaged")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: scrape(server)["scorer_bundle_reload_failures_total"] == 1)
        assert scrape(server)["scorer_bundle_reloads_total"] == 0


def test_errors_count_by_status_and_unknown_paths_as_one_route(service: Server) -> None:
    for path in ("/wp-login.php", "/a/b", "/%00", "/api/1/scores/"):
        assert httpx.get(service.url + path).status_code == 404
    httpx.post(service.url + SCORES, content=b"{")
    httpx.post(service.url + SCORES, content=b" " * 2_000_000)
    httpx.delete(service.url + SCORES)
    assert requests(service, route="other", status=404) == 4
    assert [requests(service, status=status) for status in (400, 413, 405, 200)] == [1, 1, 1, 0]
    assert not [name for name in scrape(service) if "wp-login" in name]


def test_info_names_the_bundle_and_the_version(service: Server, tiny_bundle: Path) -> None:
    (info,) = [name for name in scrape(service) if name.startswith("scorer_info")]
    assert f"bundle={load(tiny_bundle).digest}" in info
    assert "version=" in info


def test_prometheus_and_openmetrics_formats_parse_to_the_same_metrics(service: Server) -> None:
    post_scores(service, 1)
    plain = httpx.get(f"{service.url}/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    newer = httpx.get(f"{service.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in parse_openmetrics(newer.text)}  # type: ignore[no-untyped-call]
    assert families == {re.sub("_(total|info)$", "", family.name) for family in parse(plain.text)}


def test_psi_is_low_for_training_reviews_and_high_for_others(service: Server, reviews: list[dict[str, str]]) -> None:
    assert math.isnan(scrape(service)["scorer_score_psi"])
    post_scores(service, 2, [review["texts"] for review in reviews[:600]])
    alike = scrape(service)
    assert 0 <= alike["scorer_score_psi"] < 0.1
    assert 0 <= alike["scorer_vocabulary_coverage_psi"] < 0.25
    post_scores(service, 5, ["素晴らしい、最高でした。"] * 1000)
    post_scores(service, 5, ["ワカラヌコトバ"] * 1000)
    unlike = scrape(service)
    assert unlike["scorer_score_psi"] > 0.25
    assert unlike["scorer_vocabulary_coverage_psi"] > 0.25


def test_metrics_can_be_turned_off(tiny_bundle: Path) -> None:
    with serving(tiny_bundle, METRICS="off") as server:
        assert server.client.get("/metrics").status_code == 404
        assert server.client.post(SCORES, json={"texts": "良い"}).status_code == 200


def test_psi_of_equal_shares_is_0_and_of_given_shares_as_calculated_by_hand() -> None:
    even = [1_000_000] * 2
    assert population_stability_index(even, even) == 0
    # 0.2·ln(0.7/0.5) + 0.2·ln(0.5/0.3)
    expected = 0.2 * math.log(1.4) + 0.2 * math.log(0.5 / 0.3)
    assert population_stability_index([7_000_000, 3_000_000], even) == pytest.approx(expected, rel=1e-5)


def test_psi_is_nan_for_too_few_values_and_finite_for_an_empty_bin() -> None:
    assert math.isnan(population_stability_index([MIN_VALUES - 1, 0], [1, 1]))
    assert math.isfinite(population_stability_index([MIN_VALUES, 0], [0, 1_000]))


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


def test_a_histogram_counts_values_above_the_last_bound() -> None:
    counters = SharedCounters()
    histogram = Histogram(counters, "seconds", (1.0, 2.0))
    for value in (0.5, 1.0, 7.0):
        histogram.observe(counters.row, value)
    assert histogram.sample(counters.totals) == ([("1.0", 2), ("2.0", 2), ("+Inf", 3)], 8.5)


def test_psi_is_nan_for_a_bundle_without_a_distribution() -> None:
    metrics = ScoreMetrics(SharedCounters(), None, bundle="0f3c7a")
    metrics.observe([Prediction(3.0, (2.0, 4.0), 1.0, 9)] * MIN_VALUES)
    drifts = [sample for metric in metrics.collect() for sample in metric.samples if sample.name.endswith("_psi")]
    assert [math.isnan(sample.value) for sample in drifts] == [True, True]


def test_recent_counts_expire_after_an_hour_and_belong_to_one_bundle() -> None:
    now = [0.0]
    counters = SharedCounters()
    recent, other = (
        RecentCounts(counters, "recent", bundle=digest, clock=lambda: now[0]) for digest in ("0f3c7a", "b1d402")
    )
    ones = [1] * BINS
    recent.add(ones)
    now[0] = SLOT_SECONDS * (SLOTS - 1)
    recent.add(ones)
    assert recent.counts.tolist() == [2] * BINS
    now[0] = SLOT_SECONDS * SLOTS
    assert recent.counts.tolist() == [1] * BINS
    recent.add(ones)  # reuses the first slot
    assert recent.counts.tolist() == [2] * BINS
    assert other.counts.tolist() == [0] * BINS


def test_a_new_worker_gets_a_row_of_no_live_worker() -> None:
    counters = SharedCounters()
    assert [counters.free_row([]), counters.free_row([1]), counters.free_row([2]), counters.free_row([1, 2])] == [
        1,
        2,
        1,
        3,
    ]


def test_route_labels_are_templates_and_a_client_that_disconnected_is_499() -> None:
    ended: list[tuple[str, int]] = []
    events = RequestEvents()
    events.ended.append(lambda context: ended.append((context.route, context.status)))

    async def silent(*_asgi: object) -> None:
        """Send no response."""

    app = TelemetryMiddleware(silent, events, routes=["/api/1/scores/{id}/feedback", "/page/{name}"])
    for path in ("/api/1/scores/a1/feedback", "/page/x.js", "/page/x/y", "/page/"):
        asyncio.run(app({"type": "http", "path": path, "headers": []}, silent, silent))  # type: ignore[arg-type]
    assert ended == [("/api/1/scores/{id}/feedback", 499), ("/page/{name}", 499), ("other", 499), ("other", 499)]
