"""The stress tool as its users run it, against real loopback servers whose faults are known."""

import asyncio
import json
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from review_stress.measurement.tally import histogram
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


async def well(request: Request) -> Answer:
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
    wanted = pytest.approx(dict.fromkeys(("p50", "p90", "p99"), 400), rel=0.05)
    for _ in range(3):  # a pause of the machine is in the latencies, too; a tool that is wrong is so every time
        with answering(slow(0.4)) as server:
            done = stress(tmp_path, server.url, "--rate", 150, "--duration", "2s", "--objective", "p99<5s")
        assert done.status == 0
        complete(done.report)
        assert done.report["outcomes"]["ok"] == done.report["offered"]
        told = {name: done.report["latency_ms"][name] for name in ("p50", "p90", "p99")}
        if told == wanted:
            break
    assert told == wanted
    encoded = histogram(done.report["histogram"])
    assert encoded.total_count == done.report["outcomes"]["ok"]
    assert encoded.get_value_at_percentile(50) / 1000 == pytest.approx(done.report["latency_ms"]["p50"])


def test_the_latency_of_refusals_is_told_apart_from_that_of_answers(tmp_path: Path) -> None:
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


def test_a_spike_has_as_much_calm_around_it_as_is_asked_for(tmp_path: Path) -> None:
    with answering(well) as server:
        spike = ("--profile", "spike", "--rate", 100, "--base", 10, "--duration", "5s", "--arrivals", "constant")
        done = stress(tmp_path, server.url, *spike, "--calm", "1s")
    assert [row["offered"] for row in done.report["timeline"]] == pytest.approx([10, 100, 100, 100, 10], abs=2)


def stalling() -> Behaviour:
    """Answers at once, but for one second that begins a second after the load: then nobody is answered."""
    began = 0.0

    async def behave(request: Request) -> Answer:
        nonlocal began
        if request.number == 1:
            began = time.monotonic()
        if request.number and 1 <= time.monotonic() - began < 2:
            await asyncio.sleep(began + 2 - time.monotonic())
        return Answer()

    return behave


def test_an_open_loop_shows_a_stall_as_callers_suffer_it(tmp_path: Path) -> None:
    with answering(stalling()) as server:
        done = stress(tmp_path, server.url, "--rate", 100, "--duration", "4s")
    complete(done.report)
    # A quarter of the callers came during the stall, and half of those waited longer than half of it.
    latency = done.report["latency_ms"]
    assert latency["p50"] < 100
    assert 350 < latency["p90"] < 900
    assert 850 < latency["p99"] < 1300
    # The plot shows when: the windows around the stall, and not the others.
    worst = {row["t"]: row["latency_ms"]["max"] for row in done.report["timeline"] if row["latency_ms"]}
    assert max(worst[1.0], worst[2.0]) > 850
    assert worst[0.0] < 500


def test_an_open_loop_over_few_connections_still_counts_from_when_requests_were_due(tmp_path: Path) -> None:
    with answering(stalling()) as server:
        done = stress(tmp_path, server.url, "--rate", 100, "--connections", 2, "--duration", "4s")
    complete(done.report)
    assert 850 < done.report["latency_ms"]["p99"] < 1300
    # All but two had to wait for a connection, and that is said.
    assert done.report["late"] > 50
    assert not done.report["sender"]["limited"]


def test_a_closed_loop_hides_the_stall(tmp_path: Path) -> None:
    with answering(stalling()) as server:
        done = stress(tmp_path, server.url, "--connections", 2, "--duration", "4s")
    complete(done.report)
    assert done.report["loop"] == "closed"
    assert done.report["latency_ms"]["p99"] < 200
    assert done.report["latency_ms"]["max"] > 850
    assert server.most_connections <= 2


def test_shedding_is_told_from_failing(tmp_path: Path) -> None:
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
    assert done.report["outcomes"]["status"] == pytest.approx(offered / 4, abs=2)
    assert done.status == 99
    held = {one["objective"]: one["held"] for one in done.report["objectives"]}
    assert held == {"shed<30%": True, "errors<20%": False, "p99<5s": True}
    assert done.report["details"] == {
        "shed 503": done.report["outcomes"]["shed"],
        "status 503": done.report["outcomes"]["status"],
    }


FAILURES = {
    "reset": [
        Answer(reset=True),
        Answer(raw=b""),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    ],
    "status": [
        Answer(b"oops", 500),
        Answer(b"", 302, {"Location": "/"}),
        Answer(b'{"error": {}}', 413),
        Answer(b"{}", 503),
    ],
    "wrong": [
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
def test_every_failure_is_counted_as_what_it_is(tmp_path: Path, outcome: str) -> None:
    async def behave(request: Request) -> Answer:
        return FAILURES[outcome][request.number % len(FAILURES[outcome])]

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 40, "--duration", "1s", "--objective", "errors<1%")
    complete(done.report)
    assert done.status == 99
    assert done.report["sent"] > len(FAILURES[outcome])
    assert done.report["outcomes"][outcome] == done.report["sent"]
    assert done.report["latency_ms"] is None
    # The tool's first question already got such an answer, which it says before it begins.
    assert "note  the first " in done.output


def test_an_answer_that_never_comes_is_a_timeout(tmp_path: Path) -> None:
    async def behave(request: Request) -> Answer:
        await asyncio.sleep(5 if request.number else 0)
        return Answer()

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 40, "--duration", "500ms", "--timeout", "300ms")
    complete(done.report)
    assert done.status == 0
    assert done.report["outcomes"]["timeout"] == done.report["sent"] > 0


def test_a_target_that_goes_away_refuses(tmp_path: Path) -> None:
    async def behave(request: Request) -> Answer:
        if request.number == 5:
            server.close_listener()
        return Answer(headers={"Connection": "close"}, close=True)

    with answering(behave) as server:
        done = stress(tmp_path, server.url, "--rate", 40, "--duration", "1s")
    complete(done.report)
    assert done.report["outcomes"]["ok"] >= 4
    assert done.report["outcomes"]["refused"] > 10


def test_requests_without_a_free_connection_are_late_and_those_never_sent_are_counted(tmp_path: Path) -> None:
    with answering(slow(0.5)) as server:
        arguments = ("--rate", 50, "--connections", 4, "--duration", "3s", "--timeout", "1s")
        done = stress(tmp_path, server.url, *arguments, "--objective", "unsent<10%")
    complete(done.report)
    # Four connections carry eight a second of the fifty.
    assert done.report["offered"] == pytest.approx(150, abs=50)
    assert done.report["unsent"] > done.report["offered"] / 2
    assert done.report["late"] > 10
    assert done.report["latency_ms"]["p50"] > 900
    assert done.status == 99


def test_what_is_sent_are_the_corpus_texts_with_the_given_headers(tmp_path: Path) -> None:
    corpus = tmp_path / "mine.jsonl"
    texts = [f"この宿は{number}回目ですが最高でした" for number in range(20)]
    corpus.write_text("\n".join(json.dumps({"review": text, "stars": 5}) for text in texts), encoding="utf-8")
    with answering(well) as server:
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


def test_connections_are_kept_alive(tmp_path: Path) -> None:
    with answering(well) as server:
        done = stress(tmp_path, server.url, "--connections", 3, "--duration", "1s")
    assert done.report["outcomes"]["ok"] > 100
    assert len({request.connection for request in server.requests}) <= 4


def test_ctrl_c_writes_the_report_of_what_there_is(tmp_path: Path) -> None:
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
def test_a_target_that_nobody_answers_at_ends_with_two_and_one_line(tmp_path: Path, target: str) -> None:
    done = stress(tmp_path, target.format(port=free_port()), "--duration", "1s")
    assert done.status == 2
    assert done.errors.startswith("stress-testing.py: nobody answers at http://")
    assert len(done.errors.splitlines()) == 1
    assert not done.report


def test_a_listener_that_never_answers_ends_with_two(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = stress(tmp_path, f"127.0.0.1:{port}", "--timeout", "300ms")
    assert (done.status, "no answer in 0.3 s" in done.errors) == (2, True)


def test_the_original_variable_names_the_host(tmp_path: Path) -> None:
    with answering(well) as server:
        done = stress(tmp_path, "--rate", 20, "--duration", "500ms", DOCKER=f"127.0.0.1:{server.port}")
    assert done.report["target"] == server.url
    assert done.report["outcomes"]["ok"] > 0


def test_the_original_profile_has_the_originals_shape_and_words(tmp_path: Path) -> None:
    with answering(well) as server:
        done = stress(tmp_path, server.url, "--profile", "original")
    complete(done.report)
    assert done.report["outcomes"]["ok"] == 6000
    rounds = done.report["original"]["rounds"]
    assert len(rounds) == 6
    assert done.report["original"]["mean"] == pytest.approx(sum(rounds) / 6, abs=1e-4)
    lines = done.output.splitlines()
    assert [line for line in lines if line.startswith("elapsed time ")] == [f"elapsed time {it}" for it in rounds]
    assert f"mean {done.report['original']['mean']}" in lines
    # Ten at once, a new connection each time as the original opened them, and the same thousand texts in each round.
    assert server.most_connections <= 12
    assert len({request.connection for request in server.requests}) == 6001
    bodies = [request.body for request in server.requests[1:]]
    assert len(set(bodies)) == 1000
    assert sorted(bodies[:1000]) == sorted(bodies[-1000:])


def test_the_breakpoint_of_a_server_of_known_capacity_is_found(tmp_path: Path) -> None:
    lock = asyncio.Lock()

    async def behave(_: Request) -> Answer:
        # One at a time, ten milliseconds each: a hundred a second, whatever the machine does.
        async with lock:
            await asyncio.sleep(0.01)
        return Answer()

    with answering(behave) as server:
        arguments = ("--profile", "breakpoint", "--rate", 75, "--duration", "1s", "--arrivals", "constant")
        done = stress(tmp_path, server.url, *arguments, "--objective", "p99<100ms", "--timeout", "3s")
    found = done.report["breakpoint"]
    assert done.status == 0
    assert 50 <= found["rate"] <= 110
    assert found["rate"] < found["broke_at"] <= 140
    broken = [step for step in found["steps"] if not step["held"]]
    # One bad spell is not believed: a rate counts as broken when it broke twice.
    assert len([step for step in broken if step["rate"] == found["broke_at"]]) == 2
    assert broken[0]["broken"] == ["p99<100ms"]
    assert f"held {found['rate']:,.0f}/s" in done.output


def test_a_breakpoint_below_the_lowest_rate_is_a_broken_objective(tmp_path: Path) -> None:
    with answering(always(Answer(b"oops", 500))) as server:
        done = stress(
            tmp_path, server.url, "--profile", "breakpoint", "--rate", 8, "--duration", "1s", "--timeout", "1s"
        )
    assert done.status == 99
    assert done.report["breakpoint"]["rate"] is None


def test_it_sends_three_thousand_a_second_to_a_trivial_server_on_the_same_two_cores(tmp_path: Path) -> None:
    with trivial() as url:
        rates = []
        for _ in range(3):  # whatever else the machine does, once it has room
            done = stress(tmp_path, url, "--rate", 3000, "--duration", "3s", "--processes", 2)
            assert done.report["outcomes"]["ok"] == done.report["sent"] == done.report["offered"]
            rates.append(done.report["rate"])
            if rates[-1] > 2850:
                break
    assert max(rates) > 2850


def test_it_says_when_the_sender_was_the_limit(tmp_path: Path) -> None:
    with trivial() as url:
        done = stress(tmp_path, url, "--rate", 20_000, "--duration", "1s", "--processes", 1, "--timeout", "2s")
    complete(done.report)
    assert done.report["sender"]["limited"]
    assert any(warning.startswith("the sender, not the target, was the limit") for warning in done.report["warnings"])
    assert "the sender, not the target, was the limit" in done.output


def test_reports_merge_into_one_and_logs_of_pods_are_read(tmp_path: Path) -> None:
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
    assert merged.report["asked_rate"] == 80
    both = histogram(reports[0]["histogram"])
    both.decode_and_add(reports[1]["histogram"].encode())
    assert merged.report["histogram"] == both.encode().decode()
    assert merged.report["objectives"][0]["held"]
    broken = stress(tmp_path, "--merge", log, "--objective", "p99<1ms")
    assert broken.status == 99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("localhost", "--rate", "0"), "argument --rate: '0' is no number above zero"),
        (("localhost", "--corpus", "/nowhere.csv"), "cannot read /nowhere.csv: No such file or directory"),
        (("localhost", "--corpus", str(ROOT / "LICENSE")), "has no texts in texts or text or"),
        (("ftp://localhost",), "the scheme is ftp, wanted http or https"),
        ((), "no TARGET was given, and --no-kubernetes forbids looking for one"),
        (("--merge", "/nowhere.json"), "cannot read /nowhere.json"),
        (("localhost", "--calm", "1s"), "--calm belongs to --profile spike"),
        (("localhost", "--profile", "spike", "--calm", "5s", "--duration", "10s"), "--calm 5 leaves no spike"),
        (("--merge", str(ROOT / "LICENSE")), "holds no report of this tool"),
    ],
)
def test_what_cannot_be_used_ends_with_two_and_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = stress(tmp_path, *arguments)
    assert done.status == 2
    assert len(done.errors.splitlines()) == 1
    assert done.errors.startswith("stress-testing.py: ")
    assert message in done.errors


def test_help_says_what_there_is(tmp_path: Path) -> None:
    done = stress(tmp_path, "--help")
    assert done.status == 0
    for word in ("--rate", "breakpoint", "DOCKER", "99", "p99<100ms", "errors<0.1%'"):
        assert word in done.output


def test_the_report_alone_goes_to_standard_output_when_it_is_asked_for_there() -> None:
    with answering(well) as server:
        words = command(server.url, "--rate", 20, "--duration", "500ms", "--json", "-")
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    complete(json.loads(done.stdout))
    assert len(done.stdout.splitlines()) == 1
    assert "ok answers" in done.stderr


def test_the_tool_imports_nothing_of_the_service_and_nothing_of_the_tests() -> None:
    for module in (ROOT / "stress" / "review_stress").rglob("*.py"):
        imports = set(re.findall(r"^\s*(?:from|import) (\w+)", module.read_text(encoding="utf-8"), re.MULTILINE))
        assert not imports & {"review_scorer", "review_training", "tests", "tools"}, module
