"""The load engineer's tool: ``python stress/stress-testing.py --help``."""

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
    MOST_CONNECTIONS,
    ORIGINAL_TEXTS,
    ORIGINAL_WORKERS,
    Driver,
    Load,
    NobodyAnswersError,
    Run,
    preflight,
)
from review_stress.load.senders import Config, SenderError
from review_stress.load.texts import TextsError, bodies, read_texts
from review_stress.results.live_view import View
from review_stress.results.merge import MergeError, merge, read
from review_stress.results.page import write_page
from review_stress.results.report import build, dump
from review_stress.results.summary import original, show
from review_stress.target import ClusterError, TargetError, named, resolve

HELD, BROKEN, UNUSABLE, INTERRUPTED = 0, 99, 2, 130
UNUSABLE_ERRORS = (ClusterError, MergeError, NobodyAnswersError, SenderError, TargetError, TextsError)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = arguments(given)
    # The report alone goes to standard output when it is asked for there.
    console = Console(stderr=options.json == "-", quiet=options.quiet, highlight=False)
    if not console.is_terminal:
        console.width = 120  # a log has no width of its own
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
    return HELD if all(one["held"] for one in report["objectives"]) else BROKEN


async def stress(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Find the target, put the load on it and return the report."""
    url, watcher, notes = find(options, console)
    driver = Driver(load(options, url))
    if odd := await preflight(driver.run.load.config):
        notes.append(odd)
    for note in notes:
        console.print(f"[yellow]note[/yellow]  {note}", soft_wrap=True)

    def begin(run: Run) -> None:
        if watcher:
            watcher.begin(run.origin)

    showing = asyncio.create_task(View(console, driver.run, watcher).show()) if not options.quiet else None
    try:
        run = await driver.drive(begin=begin)
    finally:
        if showing:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing
        history = watcher.stop() if watcher else None
    return build(run, target=url, history=history, warnings=notes)


def find(options: argparse.Namespace, console: Console) -> tuple[str, Any, list[str]]:
    """Return the target's URL, a watcher of its cluster if one is at hand, and what is to be said."""
    url = named(options.target, os.environ)
    if options.no_kubernetes and not url:
        raise TargetError("no TARGET was given, and --no-kubernetes forbids looking for one")
    if options.no_kubernetes:
        return url or "", None, []
    # Not needed by every run, and it takes as long to import as all the rest.
    from review_stress.kubernetes.watcher import Watcher, connect, external_url  # noqa: PLC0415

    try:
        api, namespace = connect()
        namespace = options.namespace or namespace
        if not url:
            url = resolve(external_url(api, namespace, options.service, seconds=options.wait, say=console.print))
            console.print(f"the Service {namespace}/{options.service} answers at {url}")
        watcher = Watcher(api, namespace, options.deployment)
        watcher.start()
    except ClusterError as error:
        if not url:
            raise TargetError(f"no TARGET was given, and {error}") from error
        return url, None, [f"Kubernetes is not watched: {error}"]
    return url, watcher, []


def load(options: argparse.Namespace, url: str) -> Load:
    """Return what the options ask for."""
    texts = read_texts(options.corpus, column=options.text_column)
    originals = options.profile == "original"
    config = Config(
        url=url,
        bodies=bodies(
            texts, batch=options.batch or 0, seed=options.seed, **({"most": ORIGINAL_TEXTS} if originals else {})
        ),
        batch=options.batch or 0,
        headers={"Content-Type": "application/json; charset=utf-8"} | dict(options.header),
        timeout=options.timeout,
        connections=ORIGINAL_WORKERS if originals else options.connections or MOST_CONNECTIONS,
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
    """Return the reports that are to be merged as one."""
    return merge([read(path) for path in options.merge], objectives=options.objective)


def write(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the report to where it is wanted."""
    if options.json == "-":
        print(dump(report), flush=True)
    elif options.json:
        Path(options.json).write_text(dump(report, indent=1) + "\n", encoding="utf-8")
    if options.html:
        write_page(report, options.html)
