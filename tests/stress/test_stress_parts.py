"""Unit tests of the stress tool."""

import json
import random
import statistics
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from review_stress.arguments import arguments
from review_stress.load.profiles import Segment, arrivals, profile_segments, steepest_rise
from review_stress.load.texts import TextsError, bodies, read_texts
from review_stress.measurement.objectives import ObjectiveError, parse
from review_stress.measurement.outcomes import ABANDONED, OK, RESET, SHED, UNSENT, judge
from review_stress.measurement.window_stats import Timeline, WindowStats, histogram
from review_stress.results.merge import merge
from review_stress.target import TargetError, given_target, resolve
from tests.support.running import ROOT


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("localhost", "--rate", "many"), "argument --rate: 'many' is not a positive number"),
        (("localhost", "--rate", "inf"), "argument --rate: 'inf' is not a positive number"),
        (("localhost", "--duration", "5 fortnights"), "argument --duration: '5 fortnights' is not a duration"),
        (("localhost", "--duration", "0"), "argument --duration: '0' is not a duration"),
        (("localhost", "--objective", "p99"), "argument --objective: 'p99' is not an objective"),
        (("localhost", "--objective", "p99<100"), "'p99<100': p99 requires us, ms or s"),
        (("localhost", "--objective", "errors<1"), "'errors<1': errors requires percent"),
        (("localhost", "--objective", "rate>5%"), "'rate>5%': rate is ok responses per second"),
        (("localhost", "--header", "no colon"), "argument --header: 'no colon' is not a header"),
        (("localhost", "--header", "A: b\r\nC: d"), "is not a header"),
        (("localhost", "--share", "3/3"), "argument --share: '3/3' is not a share"),
        (("localhost", "--connections", "0"), "argument --connections: '0' is not a positive integer"),
        (("localhost", "--profile", "sawtooth"), "invalid choice: 'sawtooth'"),
        (("localhost", "--profile", "ramp", "--connections", "4"), "--profile ramp requires --rate"),
        (("localhost", "--profile", "original", "--rate", "4"), "cannot be combined with --rate"),
        (("localhost", "--profile", "breakpoint", "--objective", "rate>5"), "it cannot have an objective on rate"),
        (("localhost", "--profile", "breakpoint", "--share", "0/2"), "cannot be shared"),
        (("localhost", "--profile", "original", "--connections", "4"), "--profile original cannot be combined"),
        (("localhost", "--connections", "1", "--share", "0/2"), "--connections 1 is less than 2 shares"),
        (("localhost", "--html", "/nowhere/page.html"), "cannot write /nowhere/page.html"),
        (("localhost", "--merge", "a.json"), "--merge cannot be combined"),
    ],
)
def test_invalid_arguments_exit_with_2_and_one_line(
    capsys: pytest.CaptureFixture[str], given: tuple[str, ...], message: str
) -> None:
    if "--merge" in given:
        given = ("--merge", "a.json", "--rate", "5")
    with pytest.raises(SystemExit) as ended:
        arguments(given, {})
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert message in error


def test_an_indexed_job_sets_the_share() -> None:
    assert arguments(["x"], {"JOB_COMPLETION_INDEX": "2", "STRESS_SHARES": "3"}).share == (2, 3)
    assert arguments(["x"], {"JOB_COMPLETION_INDEX": "2"}).share == (0, 1)
    with pytest.raises(SystemExit):
        arguments(["x"], {"JOB_COMPLETION_INDEX": "3", "STRESS_SHARES": "3"})


def test_the_pods_of_the_job_share_its_load() -> None:
    job = yaml.safe_load((ROOT / "k8s" / "stress" / "job.yaml").read_text(encoding="utf-8"))["spec"]
    (container,) = job["template"]["spec"]["containers"]
    (shares,) = [one["value"] for one in container["env"] if one["name"] == "STRESS_SHARES"]
    assert job["completionMode"] == "Indexed"
    assert int(shares) == job["completions"] == job["parallelism"]
    options = arguments(container["args"], {"JOB_COMPLETION_INDEX": "1", "STRESS_SHARES": shares})
    assert (options.share, options.json, options.quiet) == ((1, 3), "-", True)


def test_connections_alone_are_a_closed_loop() -> None:
    assert arguments(["x", "--connections", "5"], {}).closed
    assert not arguments(["x", "--connections", "5", "--rate", "10"], {}).closed
    assert not arguments(["x"], {}).closed
    assert arguments(["x", "--profile", "original"], {}).closed


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://example.org", "http://example.org/api/1/users"),
        ("https://example.org/", "https://example.org/api/1/users"),
        ("http://example.org:80/api/1/scores", "http://example.org:80/api/1/scores"),
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("localhost", "http://localhost:4567/api/1/users"),
        ("35.189.146.153", "http://35.189.146.153:4567/api/1/users"),
        ("35.189.146.153:80", "http://35.189.146.153:80/api/1/users"),
        ("localhost:8080/x", "http://localhost:8080/x"),
        ("::1", "http://[::1]:4567/api/1/users"),
        ("[::1]:80", "http://[::1]:80/api/1/users"),
    ],
)
def test_a_target_is_a_url_or_a_host(text: str, url: str) -> None:
    assert resolve(text) == url


@pytest.mark.parametrize("text", ["ftp://x", "localhost:port", "http://", "a b", "x:99999", f"{'x' * 64}.example"])
def test_an_invalid_target_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        resolve(text)


def test_the_argument_overrides_the_variable_docker() -> None:
    assert given_target("here", {"DOCKER": "there"}) == "http://here:4567/api/1/users"
    assert given_target(None, {"DOCKER": "there"}) == "http://there:4567/api/1/users"
    assert given_target(None, {}) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "points,texts\n5,とても良い\n1, \n1,悪い\n"),
        ("a.tsv", "texts\tpoints\nとても良い\t5\n\t1\n悪い\t1\n"),
        ("a.jsonl", '{"text": "とても良い"}\n\n{"text": null}\n{"text": "悪い\\u0000"}\n'),
    ],
)
def test_texts_are_read_from_tables_and_lines(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_texts(tmp_path / name) == ["とても良い", "悪い"]


def test_a_corpus_without_texts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("points,wordage\n5,良い\n", encoding="utf-8")
    with pytest.raises(TextsError, match="has no texts in texts or text or"):
        read_texts(path)
    assert read_texts(path, column="wordage") == ["良い"]


def test_bodies_are_single_texts_or_lists_and_the_same_for_a_seed() -> None:
    texts = [str(number) for number in range(10)]
    single = bodies(texts, seed=3)
    assert sorted(json.loads(body)["texts"] for body in single) == texts
    assert single == bodies(texts, seed=3) != bodies(texts, seed=4)
    assert [len(json.loads(body)["texts"]) for body in bodies(texts, batch=4)] == [4, 4]
    assert [len(json.loads(body)["texts"]) for body in bodies(texts, batch=25)] == [25]


@pytest.mark.parametrize("poisson", [True, False])
@pytest.mark.parametrize(
    ("profile", "expected"),
    [("constant", [500, 500, 500, 500]), ("ramp", [125, 375, 625, 875]), ("spike", [500, 750, 750, 500])],
)
def test_profiles_have_the_described_shape(profile: str, expected: list[int], *, poisson: bool) -> None:
    segments = profile_segments(profile, 100 if profile != "ramp" else 200, 20, base=100)
    if profile == "spike":
        segments = profile_segments(profile, 225, 20, base=100)
    due = list(arrivals(segments, poisson=poisson))
    assert due == sorted(due)
    quarters = [sum(quarter * 5 <= t < quarter * 5 + 5 for t in due) for quarter in range(4)]
    # Within four standard deviations of a Poisson count; exact for constant arrivals.
    for found, count in zip(quarters, expected, strict=True):
        assert abs(found - count) <= (4 * count**0.5 if poisson else 1)


def test_the_steps_of_a_profile_are_equal() -> None:
    assert [piece.end for piece in profile_segments("step", 100, 10, steps=4)] == [25, 50, 75, 100]
    assert steepest_rise(profile_segments("spike", 100, 10, base=10)) == 4.0
    assert steepest_rise(profile_segments("constant", 100, 10)) == 0.0


def test_poisson_arrivals_are_memoryless() -> None:
    due = list(arrivals([Segment(100, 100, 100)]))
    gaps = [later - earlier for earlier, later in pairwise(due)]
    # Mean and standard deviation of an exponential distribution are equal.
    assert statistics.mean(gaps) == pytest.approx(0.01, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(0.01, rel=0.05)


def test_the_parts_of_all_senders_add_up_to_the_whole() -> None:
    segments = profile_segments("ramp", 100, 10)
    whole = list(arrivals(segments, poisson=False))
    parts = sorted(t for part in range(3) for t in arrivals(segments, part=part, parts=3, poisson=False))
    assert parts == pytest.approx(whole)
    drawn = [list(arrivals(segments, part=part, parts=3)) for part in range(3)]
    assert 400 < sum(map(len, drawn)) < 600
    assert not set(drawn[0]) & set(drawn[1])


@pytest.mark.parametrize(
    ("status", "retry", "content", "batch", "outcome"),
    [
        (200, False, b'{"score": 1}', 0, "ok"),
        (200, False, b'{"scores": [1, 5.0]}', 2, "ok"),
        (200, False, b'{"scores": [1]}', 2, "invalid"),
        (200, False, b'{"score": 5.0001}', 0, "invalid"),
        (200, False, b'{"score": "3"}', 0, "invalid"),
        (200, False, b"\xff", 0, "invalid"),
        (503, True, b"", 0, "shed"),
        (503, False, b"", 0, "http_error"),
        (429, True, b"", 0, "http_error"),
    ],
)
def test_responses_are_classified(status: int, *, retry: bool, content: bytes, batch: int, outcome: str) -> None:
    names = ("ok", "shed", "http_error", "invalid")
    assert names[judge(status, content, retry_after=retry, batch=batch)] == outcome


def stats(**counts: int) -> WindowStats:
    made = WindowStats()
    for name, count in counts.items():
        setattr(made, name, count)
    return made


def test_objectives_are_judged() -> None:
    made = stats(offered=1000, sent=980, unsent=20, late=100)
    made.outcomes.update({OK: 900, SHED: 49, RESET: 31})
    for milliseconds in range(1, 901):
        made.record(milliseconds * 1000)
    expected: dict[str, tuple[float, bool]] = {
        "p50<451ms": (450.0, True),
        "p99<=0.5s": (891.0, False),
        "p999<1s": (899.0, True),
        "max<901000us": (900.0, True),
        "errors<3%": (100 * 31 / 980, False),
        "shed<=5%": (5.0, True),
        "late<10%": (10.0, False),
        "unsent<2.5%": (2.0, True),
        "rate>=300/s": (300.0, True),
    }
    for text, (value, met) in expected.items():
        judged = parse(text).judge(made, rate=300)
        assert judged["value"] == pytest.approx(value, rel=0.002), text
        assert judged["met"] is met, text


def test_without_responses_a_percentile_is_not_met() -> None:
    assert parse("p50<1s").judge(WindowStats(), rate=0)["met"] is False


@pytest.mark.parametrize("text", ["p5<1s", "p99=1s", "p99<-1s", "apdex>0.9", "rate>", "", "errors<1%%"])
def test_an_invalid_objective_is_refused(text: str) -> None:
    with pytest.raises(ObjectiveError):
        parse(text)


def records(*rows: tuple[float, ...]) -> "array[float]":
    return array("d", [number for row in rows for number in row])


def test_a_request_belongs_to_the_window_in_which_it_was_due() -> None:
    timeline = Timeline()
    nan = float("nan")
    timeline.add_records(
        records(
            (0.9, 0.9, 0.9, 2.1, OK, 200),  # answered two windows later
            (1.0, 1.0, 1.5, 1.6, OK, 200),  # late: no free connection
            (1.1, 1.2, 1.2, 1.3, RESET, 104),  # late: the sender was behind
            (1.2, 1.2, nan, 9.0, UNSENT, 0),
            (1.3, 1.3, 1.3, 9.0, ABANDONED, 0),
        )
    )
    first, second, third = (timeline.windows[number] for number in range(3))
    assert (first.offered, first.sent, first.answered) == (1, 1, 0)
    assert first.percentile(50) == pytest.approx(1200, rel=0.001)
    assert (second.offered, second.sent, second.unsent, second.abandoned) == (4, 3, 1, 1)
    assert (second.late, second.behind, second.errors()) == (2, 1, 1)
    assert second.percentile(50) == pytest.approx(600, rel=0.001)
    assert third.answered == 1


def some_report(seed: int, started: str) -> tuple[dict[str, Any], list[int]]:
    """Return a report with only ok responses, and their latencies in microseconds."""
    drawn = random.Random(seed)
    latencies = [int(drawn.lognormvariate(9, 1)) for _ in range(2000)]
    timeline = Timeline()
    for number, microseconds in enumerate(latencies):
        due = number / 1000
        timeline.add_records(records((due, due, due, due + microseconds / 1e6, OK, 200)))
    report = {
        "format": 1,
        "arrival_rate": 1000.0,
        "share": [0, 1],
        "started": started,
        "seconds": 2.0,
        "window": 1.0,
        "tolerance_ms": 10.0,
        "interrupted": False,
        "objectives": [{"objective": "p99<1s"}],
        "warnings": [f"warning {seed % 2}"],
        "sender": {"processes": 1, "cpu": [0.1], "lag_ms": {"p50": 0.1, "p99": 1.0}, "limited": False, "why": []},
        "kubernetes": None,
        "details": {},
        "rate": 900.0,
    }
    rows = [
        {"t": float(number), "replicas": None, "hpa": None} | one.to_json()
        for number, one in sorted(timeline.windows.items())
    ]
    return report | {"rate": 900.0, "timeline": rows} | timeline.between().to_json(), latencies


def test_merging_histograms_equals_one_histogram_of_all() -> None:
    starts = ["2026-11-21T08:00:00+00:00", "2026-11-21T08:00:00.400+00:00", "2026-11-21T08:00:01+00:00"]
    made = [some_report(seed, start) for seed, start in enumerate(starts)]
    merged = merge([report for report, _ in made])
    one = histogram()
    for _, latencies in made:
        for microseconds in latencies:
            one.record_value(microseconds)
    assert merged["histogram"] == one.encode().decode()
    assert merged["latency_ms"]["p99"] == pytest.approx(one.get_value_at_percentile(99) / 1000, abs=0.001)
    assert merged["outcomes"]["ok"] == one.total_count == 6000
    # By the clock, the third began a window later than the others.
    assert [row["offered"] for row in merged["timeline"]][:3] == [2000, 3000, 1000]
    assert merged["seconds"] == 3.0
    assert merged["rate"] == pytest.approx(3 * 900 * 2 / 3)
    assert merged["warnings"] == ["warning 0", "warning 1"]
    assert merged["merged"] == 3
