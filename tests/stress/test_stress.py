"""The stress tool, run as a command against loopback servers with known faults."""

import asyncio
import json
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from review_stress.measurement.window_stats import histogram
from tests.support.running import ROOT, free_port
from tests.support.stress_servers import (
    Answer,
    Behaviour,
    Request,
    answering,
    command,
    complete,
    environment,
    interrupted,
    stress,
    trivial,
)


async def answer_ok(request: Request) -> Answer:
    texts = json.loads(request.body)["texts"]
    return Answer() if isinstance(texts, str) else Answer(json.dumps({"scores": [3.5] * len(texts)}).encode())


def slow(seconds: float) -> Behaviour:
    async def behave(_: Request) -> Answer:
        await asyncio.sleep(seconds)
        return Answer()

    return behave


def always(answer: Answer) -> Behaviour:
    async def behave(_: Request) -> Answer:
        return answer

    return behave


def test_the_percentiles_of_a_known_latency_are_right(tmp_path: Path) -> None:
    expected = pytest.approx(dict.fromkeys(("p50", "p90", "p99"), 400), rel=0.05)
    for _ in range(3):  # a pause of the machine adds latency; a wrong tool fails every time
        with answering(slow(0.4)) as server:
            done = stress(tmp_path, server.url, "--rate", 150, "--duration", "2s", "--objective", "p99<5s")
        assert done.status == 0
        complete(done.report)
        assert done.report["outcomes"]["ok"] == done.report["offered"]
        measured = {name: done.report["latency_ms"][name] for name in ("p50", "p90", "p99")}
        if measured == expected:
            break
    assert measured == expected
    encoded = histogram(done.report["histogram"])
    assert encoded.total_count == done.report["outcomes"]["ok"]
    assert encoded.get_value_at_percentile(50) / 1000 == pytest.approx(done.report["latency_ms"]["p50"])


def test_shed_requests_have_their_own_latency(tmp_path: Path) -> None:
    async def behave(request: Request) -> Answer:
        await asyncio.sleep(0.1 if request.number % 2 else 0.4)
        return Answer(status=503, headers={"Retry-After": "1"}) if request.number % 2 else Answer()

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 100, "--duration", "2s")
    complete(done.report)
    assert done.report["latency_ms"]["p50"] == pytest.approx(400, rel=0.05)
    assert done.report["shed_latency_ms"]["p50"] == pytest.approx(100, rel=0.2)
    assert histogram(done.report["shed_histogram"]).total_count == done.report["outcomes"]["shed"]
    assert "of shed" in done.output


def test_calm_sets_the_time_before_and_after_a_spike(tmp_path: Path) -> None:
    with answering(answer_ok) as server:
        spike = ("--profile", "spike", "--rate", 100, "--base", 10, "--duration", "5s", "--arrivals", "constant")
        done = stress(tmp_path, server.url, *spike, "--calm", "1s")
    assert [row["offered"] for row in done.report["timeline"]] == pytest.approx([10, 100, 100, 100, 10], abs=2)


def stalling() -> Behaviour:
    """Answer immediately, except for one second that starts a second after the load."""
    began = 0.0

    async def behave(request: Request) -> Answer:
        nonlocal began
        if request.number == 1:
            began = time.monotonic()
        if request.number and 1 <= time.monotonic() - began < 2:
            await asyncio.sleep(began + 2 - time.monotonic())
        return Answer()

    return behave


def test_an_open_loop_shows_the_latency_of_a_stall(tmp_path: Path) -> None:
    with answering(stalling()) as server:
        done = stress(tmp_path, server.url, "--rate", 100, "--duration", "4s")
    complete(done.report)
    # A quarter of the requests were due during the stall; half of those waited more than half of it.
    latency = done.report["latency_ms"]
    assert latency["p50"] < 100
    assert 350 < latency["p90"] < 900
    assert 850 < latency["p99"] < 1300
    # Only the windows of the stall show it.
    worst = {row["t"]: row["latency_ms"]["max"] for row in done.report["timeline"] if row["latency_ms"]}
    assert max(worst[1.0], worst[2.0]) > 850
    assert worst[0.0] < 500


def test_an_open_loop_over_few_connections_counts_latency_from_the_time_due(tmp_path: Path) -> None:
    with answering(stalling()) as server:
        done = stress(tmp_path, server.url, "--rate", 100, "--connections", 2, "--duration", "4s")
    complete(done.report)
    assert 850 < done.report["latency_ms"]["p99"] < 1300
    # All but two had to wait for a connection, and count as late.
    assert done.report["late"] > 50
    assert not done.report["sender"]["limited"]


def test_a_closed_loop_hides_a_stall(tmp_path: Path) -> None:
    with answering(stalling()) as server:
        done = stress(tmp_path, server.url, "--connections", 2, "--duration", "4s")
    complete(done.report)
    assert done.report["loop"] == "closed"
    assert done.report["latency_ms"]["p99"] < 200
    assert done.report["latency_ms"]["max"] > 850
    assert server.most_connections <= 2


def test_shed_requests_are_not_errors(tmp_path: Path) -> None:
    async def behave(request: Request) -> Answer:
        if request.number % 4 == 3:
            return Answer(b"{}", 503, {"Retry-After": "1"})
        return Answer(b"{}", 503) if request.number % 4 == 2 else Answer()

    with answering(behave) as server:
        objectives = ("--objective", "shed<30%", "--objective", "errors<20%", "--objective", "p99<5s")
        done = stress(tmp_path, server.url, "--rate", 200, "--duration", "2s", *objectives)
    complete(done.report)
    offered = done.report["offered"]
    assert done.report["outcomes"]["shed"] == pytest.approx(offered / 4, abs=2)
    assert done.report["outcomes"]["http_error"] == pytest.approx(offered / 4, abs=2)
    assert done.status == 99
    met = {one["objective"]: one["met"] for one in done.report["objectives"]}
    assert met == {"shed<30%": True, "errors<20%": False, "p99<5s": True}
    assert done.report["details"] == {
        "shed 503": done.report["outcomes"]["shed"],
        "http_error 503": done.report["outcomes"]["http_error"],
    }


FAILURES = {
    "reset": [
        Answer(reset=True),
        Answer(raw=b""),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    ],
    "http_error": [
        Answer(b"oops", 500),
        Answer(b"", 302, {"Location": "/"}),
        Answer(b'{"error": {}}', 413),
        Answer(b"{}", 503),
    ],
    "invalid": [
        Answer(b"<html>"),
        Answer(b'{"score": 9.5}'),
        Answer(b'{"score": NaN}'),
        Answer(b'{"score": true}'),
        Answer(b'{"scores": [3.0]}'),
        Answer(b"[3.0]"),
        Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
}


@pytest.mark.parametrize("outcome", FAILURES)
def test_failures_are_counted_by_kind(tmp_path: Path, outcome: str) -> None:
    async def behave(request: Request) -> Answer:
        return FAILURES[outcome][request.number % len(FAILURES[outcome])]

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 40, "--duration", "1s", "--objective", "errors<1%")
    complete(done.report)
    assert done.status == 99
    assert done.report["sent"] > len(FAILURES[outcome])
    assert done.report["outcomes"][outcome] == done.report["sent"]
    assert done.report["latency_ms"] is None
    # The preflight request failed in the same way, which is noted.
    assert "note  the first " in done.output


def test_a_missing_response_is_a_timeout(tmp_path: Path) -> None:
    async def behave(request: Request) -> Answer:
        await asyncio.sleep(5 if request.number else 0)
        return Answer()

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 40, "--duration", "500ms", "--timeout", "300ms")
    complete(done.report)
    assert done.status == 0
    assert done.report["outcomes"]["timeout"] == done.report["sent"] > 0


def test_a_closed_listener_counts_as_refused(tmp_path: Path) -> None:
    async def behave(request: Request) -> Answer:
        if request.number == 5:
            server.close_listener()
        return Answer(headers={"Connection": "close"}, close=True)

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 40, "--duration", "1s")
    complete(done.report)
    assert done.report["outcomes"]["ok"] >= 4
    assert done.report["outcomes"]["refused"] > 10


def test_requests_without_a_free_connection_are_late_or_unsent(tmp_path: Path) -> None:
    with answering(slow(0.5)) as server:
        arguments = ("--rate", 50, "--connections", 4, "--duration", "3s", "--timeout", "1s")
        done = stress(tmp_path, server.url, *arguments, "--objective", "unsent<10%")
    complete(done.report)
    # Four connections sustain 8 of the 50 requests per second.
    assert done.report["offered"] == pytest.approx(150, abs=50)
    assert done.report["unsent"] > done.report["offered"] / 2
    assert done.report["late"] > 10
    assert done.report["latency_ms"]["p50"] > 900
    assert done.status == 99


def test_texts_of_the_corpus_are_sent_with_the_given_headers(tmp_path: Path) -> None:
    corpus = tmp_path / "mine.jsonl"
    texts = [f"この宿は{number}回目ですが最高でした" for number in range(20)]
    corpus.write_text("\n".join(json.dumps({"review": text, "stars": 5}) for text in texts), encoding="utf-8")
    with answering(answer_ok) as server:
        extra = ("--corpus", corpus, "--header", "Authorization: Bearer x", "--batch", 3, "--arrivals", "constant")
        done = stress(tmp_path, f"127.0.0.1:{server.port}", "--rate", 50, "--duration", "1s", *extra)
    complete(done.report)
    assert done.report["outcomes"]["ok"] == done.report["sent"] == 50
    for request in server.requests:
        sent = json.loads(request.body)["texts"]
        assert len(sent) == 3
        assert set(sent) <= set(texts)
        assert request.line.startswith("POST /api/1/users ")
        assert request.headers["authorization"] == "Bearer x"
        assert request.headers["content-type"].startswith("application/json")


def test_connections_are_reused(tmp_path: Path) -> None:
    with answering(answer_ok) as server:
        done = stress(tmp_path, server.url, "--connections", 3, "--duration", "1s")
    assert done.report["outcomes"]["ok"] > 100
    assert len({request.connection for request in server.requests}) <= 4


def test_ctrl_c_writes_a_partial_report(tmp_path: Path) -> None:
    with answering(slow(0.02)) as server:
        page = tmp_path / "report.html"
        done = interrupted(tmp_path, server.url, "--rate", 50, "--duration", "60s", "--html", page, after=5)
    assert done.status == 130
    complete(done.report)
    assert done.report["interrupted"] is True
    assert done.report["outcomes"]["ok"] > 20
    assert 0 < done.report["seconds"] < 10
    assert page.exists()
    assert "Traceback" not in done.errors


@pytest.mark.parametrize("target", ["127.0.0.1:{port}", "nowhere.invalid"])
def test_an_unreachable_target_exits_with_2_and_one_line(tmp_path: Path, target: str) -> None:
    done = stress(tmp_path, target.format(port=free_port()), "--duration", "1s")
    assert done.status == 2
    assert done.errors.startswith("stress-testing.py: cannot reach http://")
    assert len(done.errors.splitlines()) == 1
    assert not done.report


def test_a_target_that_never_responds_exits_with_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = stress(tmp_path, f"127.0.0.1:{port}", "--timeout", "300ms")
    assert (done.status, "no response in 0.3 s" in done.errors) == (2, True)


def test_the_variable_docker_is_the_default_target(tmp_path: Path) -> None:
    with answering(answer_ok) as server:
        done = stress(tmp_path, "--rate", 20, "--duration", "500ms", DOCKER=f"127.0.0.1:{server.port}")
    assert done.report["target"] == server.url
    assert done.report["outcomes"]["ok"] > 0


def test_the_original_profile_has_the_shape_and_output_of_the_original(tmp_path: Path) -> None:
    with answering(answer_ok) as server:
        done = stress(tmp_path, server.url, "--profile", "original")
    complete(done.report)
    assert done.report["outcomes"]["ok"] == 6000
    rounds = done.report["original"]["rounds"]
    assert len(rounds) == 6
    assert done.report["original"]["mean"] == pytest.approx(sum(rounds) / 6, abs=1e-4)
    lines = done.output.splitlines()
    assert [line for line in lines if line.startswith("elapsed time ")] == [f"elapsed time {it}" for it in rounds]
    assert f"mean {done.report['original']['mean']}" in lines
    # Ten concurrent connections, a new one for each request, and the same 1,000 texts in each round.
    assert server.most_connections <= 12
    assert len({request.connection for request in server.requests}) == 6001
    bodies = [request.body for request in server.requests[1:]]
    assert len(set(bodies)) == 1000
    assert sorted(bodies[:1000]) == sorted(bodies[-1000:])


def test_the_breakpoint_of_a_server_of_known_capacity_is_found(tmp_path: Path) -> None:
    lock = asyncio.Lock()

    async def behave(_: Request) -> Answer:
        # One request at a time, 10 ms each: 100 per second on any machine.
        async with lock:
            await asyncio.sleep(0.01)
        return Answer()

    with answering(behave) as server:
        arguments = ("--profile", "breakpoint", "--rate", 75, "--duration", "1s", "--arrivals", "constant")
        done = stress(tmp_path, server.url, *arguments, "--objective", "p99<100ms", "--timeout", "3s")
    found = done.report["breakpoint"]
    assert done.status == 0
    assert 50 <= found["rate"] <= 110
    assert found["rate"] < found["failed_at"] <= 140
    failed = [step for step in found["steps"] if not step["met"]]
    # A rate fails only if it fails twice.
    assert len([step for step in failed if step["rate"] == found["failed_at"]]) == 2
    assert failed[0]["violated"] == ["p99<100ms"]
    assert f"sustained {found['rate']:,.0f}/s" in done.output


def test_a_breakpoint_below_the_lowest_rate_exits_with_99(tmp_path: Path) -> None:
    with answering(always(Answer(b"oops", 500))) as server:
        done = stress(
            tmp_path, server.url, "--profile", "breakpoint", "--rate", 8, "--duration", "1s", "--timeout", "1s"
        )
    assert done.status == 99
    assert done.report["breakpoint"]["rate"] is None


def test_it_sends_3000_requests_per_second_to_a_trivial_server_on_the_same_two_cores(tmp_path: Path) -> None:
    with trivial() as url:
        rates = []
        for _ in range(3):  # the machine may be busy
            done = stress(tmp_path, url, "--rate", 3000, "--duration", "3s", "--processes", 2)
            assert done.report["outcomes"]["ok"] == done.report["sent"] == done.report["offered"]
            rates.append(done.report["rate"])
            if rates[-1] > 2850:
                break
    assert max(rates) > 2850


def test_a_limiting_sender_is_reported(tmp_path: Path) -> None:
    with trivial() as url:
        done = stress(tmp_path, url, "--rate", 20_000, "--duration", "1s", "--processes", 1, "--timeout", "2s")
    complete(done.report)
    assert done.report["sender"]["limited"]
    assert any(warning.startswith("the sender, not the target, was the limit") for warning in done.report["warnings"])
    assert "the sender, not the target, was the limit" in done.output


def test_reports_and_logs_of_pods_are_merged(tmp_path: Path) -> None:
    with answering(slow(0.05)) as server:
        reports = []
        for part in range(2):
            (tmp_path / str(part)).mkdir()
            index = str(part)
            arguments = ("--rate", 80, "--duration", "1s", "--arrivals", "constant", "--objective", "p99<5s")
            reports.append(
                stress(
                    tmp_path / str(part), server.url, *arguments, JOB_COMPLETION_INDEX=index, STRESS_SHARES="2"
                ).report
            )
    assert [report["offered"] for report in reports] == [40, 40]
    log = tmp_path / "pod-1.log"
    log.write_text(f"a line of something else\n{json.dumps(reports[1])}\n", encoding="utf-8")
    merged = stress(tmp_path, "--merge", tmp_path / "0" / "report.json", log)
    assert merged.status == 0
    complete(merged.report)
    assert merged.report["offered"] == 80
    assert merged.report["arrival_rate"] == 80
    both = histogram(reports[0]["histogram"])
    both.decode_and_add(reports[1]["histogram"].encode())
    assert merged.report["histogram"] == both.encode().decode()
    assert merged.report["objectives"][0]["met"]
    failed = stress(tmp_path, "--merge", log, "--objective", "p99<1ms")
    assert failed.status == 99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("localhost", "--rate", "0"), "argument --rate: '0' is not a positive number"),
        (("localhost", "--corpus", "/nowhere.csv"), "cannot read /nowhere.csv: No such file or directory"),
        (("localhost", "--corpus", str(ROOT / "LICENSE")), "has no texts in texts or text or"),
        (("ftp://localhost",), "the scheme must be http or https, not ftp"),
        ((), "TARGET is missing"),
        (("--merge", "/nowhere.json"), "cannot read /nowhere.json"),
        (("localhost", "--calm", "1s"), "--calm requires --profile spike"),
        (("localhost", "--profile", "spike", "--calm", "5s", "--duration", "10s"), "--calm 5 is too long"),
        (("--merge", str(ROOT / "LICENSE")), "has no report of this tool"),
    ],
)
def test_invalid_input_exits_with_2_and_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = stress(tmp_path, *arguments)
    assert done.status == 2
    assert len(done.errors.splitlines()) == 1
    assert done.errors.startswith("stress-testing.py: ")
    assert message in done.errors


def test_help_lists_the_options(tmp_path: Path) -> None:
    done = stress(tmp_path, "--help")
    assert done.status == 0
    for word in ("--rate", "breakpoint", "DOCKER", "99", "p99<100ms", "errors<0.1%'"):
        assert word in done.output


def test_with_json_to_standard_output_there_is_only_the_report() -> None:
    with answering(answer_ok) as server:
        words = command(server.url, "--rate", 20, "--duration", "500ms", "--json", "-")
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    complete(json.loads(done.stdout))
    assert len(done.stdout.splitlines()) == 1
    assert "ok responses" in done.stderr


def test_the_tool_imports_neither_the_service_nor_the_tests() -> None:
    for module in (ROOT / "stress" / "review_stress").rglob("*.py"):
        imports = set(re.findall(r"^\s*(?:from|import) (\w+)", module.read_text(encoding="utf-8"), re.MULTILINE))
        assert not imports & {"review_scorer", "review_training", "tests", "tools"}, module
