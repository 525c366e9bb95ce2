"""Where everything is put together: ``create_app`` wires, ``get_app`` reads the world."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import falcon.asgi

from service import __version__, errors, logs, metrics
from service.admission import Admission
from service.body import ASGI, WholeBody
from service.draining import Drain, shared_drain
from service.guarding import Guarding
from service.keys import Keys, KeysError
from service.limits import shared_limits
from service.lines import Lines, shared_lines
from service.logs import RequestLog
from service.observing import Observed, Watch, note_wait, routes_of
from service.resources import Health, Readiness, Scores, Version
from service.scoring.bundle import load
from service.scoring.errors import BundleError
from service.scoring.scorer import Scorer
from service.scoring.tokens import DEFAULT_DICTIONARY
from service.settings import Settings, SettingsError, read_settings
from service.tallies import Tallies, shared_tallies
from service.turns import Turns

_LIBRARIES = ("falcon", "gunicorn", "uvicorn", "lightgbm", "mecab-python3", "ipadic", "numpy", "msgspec")


def create_app(
    scorer: Scorer,
    *,
    probe: str,
    facts: Mapping[str, Any],
    settings: Settings,
    drain: Drain | None = None,
    tallies: Tallies | None = None,
    trained: Mapping[str, Sequence[int]] | None = None,
    lines: Lines | None = None,
    keys: Keys | None = None,
) -> ASGI:
    """Return the ASGI app that serves ``scorer``.

    ``probe`` is the review that each worker scores before it calls itself ready; ``facts`` is what ``/version`` tells.
    ``drain``, once started, makes it unready. ``tallies`` are what the workers count into; ``trained`` is what the
    bundle keeps of how its held-out reviews scored. ``lines`` is where requests are logged to. Only who
    has one of ``keys``, if they are given, may ask for what is not open to all.
    """
    readiness = Readiness(scorer, probe, drain or Drain())
    app = falcon.asgi.App(middleware=[readiness])
    errors.install(app)
    watch = Watch()
    turns = Turns(patience=settings.max_wait_seconds)
    turns.observe = note_wait
    admission = Admission(turns, max_texts=settings.max_pending_texts, max_wait=settings.max_wait_seconds)
    scores = Scores(scorer.watched(watch.note), admission, max_texts=settings.max_texts)
    app.add_route("/api/1/users", scores)  # the original's name for it
    app.add_route("/api/1/scores", scores)
    app.add_route("/healthz", Health())
    app.add_route("/readyz", readiness)
    app.add_route("/version", Version(facts))
    if settings.metrics:
        shed = lambda: admission.refused + turns.late  # noqa: E731
        metrics.install(app, watch, tallies or Tallies(), facts=facts, trained=trained, shed=shed)
    if lines and settings.log != logs.OFF:
        watch.ended.append(RequestLog(lines, settings.log).ended)
    guard = None
    if keys:
        guarding = Guarding(keys, open_paths=settings.open_paths)
        app.add_middleware(guarding)
        guard = guarding.check
    whole = WholeBody(app, admission, max_bytes=settings.max_bytes, seconds=settings.body_seconds, guard=guard)
    return Observed(whole, watch, routes=routes_of(app))


def get_app() -> ASGI:
    """Return the app that the environment asks for, or end the process with one line that says what is wrong."""
    try:
        settings = read_settings(os.environ)
        dictionary = settings.dictionary or DEFAULT_DICTIONARY
        bundle = load(settings.bundle, dictionary=dictionary, max_chars=settings.max_chars)
        keys = Keys(settings.api_keys_file, shared_limits()) if settings.api_keys_file else None
    except (SettingsError, BundleError, KeysError) as error:
        sys.exit(f"review-scorer: {error}")
    facts = {
        "version": __version__,
        "bundle": {"digest": bundle.digest, **{key: bundle.manifest[key] for key in ("corpus", "dictionary", "seed")}},
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    probe = bundle.manifest["probe"]["text"]
    return create_app(
        bundle.scorer,
        probe=probe,
        facts=facts,
        settings=settings,
        drain=shared_drain(),
        tallies=shared_tallies(),
        trained=bundle.manifest.get("distribution"),
        lines=shared_lines(),
        keys=keys,
    )
