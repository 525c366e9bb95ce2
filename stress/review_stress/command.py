"""Command line of the load test: ``python stress/stress-testing.py --help``."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from review_stress.arguments import arguments
from review_stress.load.driver import (
    MAX_CONNECTIONS,
    ORIGINAL_TEXTS,
    ORIGINAL_WORKERS,
    Driver,
    Load,
    Run,
    UnreachableError,
    preflight,
)
from review_stress.load.senders import Config, SenderError
from review_stress.load.texts import TextsError, bodies, read_texts
from review_stress.results.live_view import View
from review_stress.results.merge import MergeError, merge, read
from review_stress.results.page import write_page
from review_stress.results.report import build, dump
from review_stress.results.summary import original, show
from review_stress.target import KubernetesError, TargetError, given_target, resolve

PASSED, FAILED, UNUSABLE, INTERRUPTED = 0, 99, 2, 130
UNUSABLE_ERRORS = (KubernetesError, MergeError, UnreachableError, SenderError, TargetError, TextsError)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = arguments(given)
    # With --json -, standard output has only the report.
    console = Console(stderr=options.json == "-", quiet=options.quiet, highlight=False)
    if not console.is_terminal:
        console.width = 120  # output to a file or pipe
    try:
        report = merged(options) if options.merge else asyncio.run(stress(options, console))
    except UNUSABLE_ERRORS as error:
        print(f"stress-testing.py: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    if report["original"]:
        original(console, report)
    show(console, report)
    try:
        write(report, options)
    except OSError as error:
        print(f"stress-testing.py: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return UNUSABLE
    if report["interrupted"] and not options.merge:
        return INTERRUPTED
    return PASSED if all(one["met"] for one in report["objectives"]) else FAILED


async def stress(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Find the target, run the load and return the report."""
    url, watcher, notes = find_target(options, console)
    driver = Driver(load(options, url))
    if problem := await preflight(driver.run.load.config):
        notes.append(problem)
    for note in notes:
        console.print(f"[yellow]note[/yellow]  {note}", soft_wrap=True)

    def begin(run: Run) -> None:
        if watcher:
            watcher.begin(run.origin)

    view = asyncio.create_task(View(console, driver.run, watcher).show()) if not options.quiet else None
    try:
        run = await driver.drive(begin=begin)
    finally:
        if view:
            view.cancel()
            with suppress(asyncio.CancelledError):
                await view
        history = watcher.stop() if watcher else None
    return build(run, target=url, history=history, warnings=notes)


def find_target(options: argparse.Namespace, console: Console) -> tuple[str, Any, list[str]]:
    """Return the URL of the target, a watcher of its cluster if there is one, and notes for the report."""
    url = given_target(options.target, os.environ)
    if options.no_kubernetes and not url:
        raise TargetError("TARGET is missing; without it, --no-kubernetes is not possible")
    if options.no_kubernetes:
        return url or "", None, []
    # A local import: it takes as long as all others, and not every run needs it.
    from review_stress.kubernetes.watcher import Watcher, connect, external_url  # noqa: PLC0415

    try:
        api, namespace = connect()
        namespace = options.namespace or namespace
        if not url:
            url = resolve(external_url(api, namespace, options.service, seconds=options.wait, notify=console.print))
            console.print(f"the Service {namespace}/{options.service} answers at {url}")
        watcher = Watcher(api, namespace, options.deployment)
        watcher.start()
    except KubernetesError as error:
        if not url:
            raise TargetError(f"TARGET is missing, and {error}") from error
        return url, None, [f"Kubernetes is not watched: {error}"]
    return url, watcher, []


def load(options: argparse.Namespace, url: str) -> Load:
    """Return the load that the options describe."""
    texts = read_texts(options.corpus, column=options.text_column)
    originals = options.profile == "original"
    config = Config(
        url=url,
        bodies=bodies(
            texts, batch=options.batch or 0, seed=options.seed, **({"limit": ORIGINAL_TEXTS} if originals else {})
        ),
        batch=options.batch or 0,
        headers={"Content-Type": "application/json; charset=utf-8"} | dict(options.header),
        timeout=options.timeout,
        connections=ORIGINAL_WORKERS if originals else options.connections or MAX_CONNECTIONS,
        reuse=not originals,
        seed=options.seed,
    )
    return Load(
        config=config,
        profile=options.profile,
        closed=options.closed,
        rate=options.rate,
        seconds=options.duration,
        poisson=options.arrivals == "poisson",
        steps=options.steps,
        base=options.base,
        calm=options.calm,
        share=options.share,
        processes=options.processes,
        tolerance=options.late,
        objectives=options.objective,
    )


def merged(options: argparse.Namespace) -> dict[str, Any]:
    """Return the merged report."""
    return merge([read(path) for path in options.merge], objectives=options.objective)


def write(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the report as JSON and HTML, as the options say."""
    if options.json == "-":
        print(dump(report), flush=True)
    elif options.json:
        Path(options.json).write_text(dump(report, indent=1) + "\n", encoding="utf-8")
    if options.html:
        write_page(report, options.html)
