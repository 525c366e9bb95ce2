"""Where everything is put together: ``create_app`` wires, ``get_app`` reads the world."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import falcon.asgi

from service import __version__, documentation, errors, pages
from service.admission import Admission
from service.body import ASGI, WholeBody
from service.bulk import Files
from service.cors import CrossOrigin
from service.draining import Drain, shared_drain
from service.explanations import Explanations
from service.resources import Health, Readiness, Scores, Version
from service.scoring.bundle import load
from service.scoring.errors import BundleError
from service.scoring.scorer import Scorer
from service.scoring.tokens import DEFAULT_DICTIONARY
from service.settings import Settings, SettingsError, read_settings
from service.streaming import StreamedBody
from service.turns import Turns

_LIBRARIES = ("falcon", "gunicorn", "uvicorn", "lightgbm", "mecab-python3", "ipadic", "numpy", "msgspec")
_FILES = "/api/1/files"


def create_app(
    scorer: Scorer, *, probe: str, facts: Mapping[str, Any], settings: Settings, drain: Drain | None = None
) -> ASGI:
    """Return the ASGI app that serves ``scorer``.

    ``probe`` is the review that each worker scores before it calls itself ready; ``facts`` is what ``/version`` tells.
    ``drain``, once started, makes it unready.
    """
    readiness = Readiness(scorer, probe, drain or Drain())
    turns = Turns(patience=settings.max_wait_seconds)
    admission = Admission(turns, max_texts=settings.max_pending_texts, max_wait=settings.max_wait_seconds)
    app = falcon.asgi.App(middleware=[readiness])
    app.add_middleware(_State(settings=settings, admission=admission))
    errors.install(app)
    pages.install(app)
    documentation.install(app)
    scores = Scores(scorer, admission, max_texts=settings.max_texts)
    app.add_route("/api/1/users", scores)  # the original's name for it
    app.add_route("/api/1/scores", scores)
    app.add_route("/api/1/explain", Explanations(scorer, admission, max_texts=settings.max_explained))
    app.add_route(_FILES, Files(scorer, admission, max_bytes=settings.max_file_bytes))
    app.add_route("/healthz", Health())
    app.add_route("/readyz", readiness)
    app.add_route("/version", Version(facts))
    files = StreamedBody(app, admission, max_bytes=settings.max_file_bytes, seconds=settings.body_seconds)
    whole = WholeBody(
        app, admission, max_bytes=settings.max_bytes, seconds=settings.body_seconds, streamed={_FILES: files}
    )
    return CrossOrigin(whole, settings.cors_origins) if settings.cors_origins else whole


def get_app() -> ASGI:
    """Return the app that the environment asks for, or end the process with one line that says what is wrong."""
    try:
        return read_app()
    except (SettingsError, BundleError) as error:
        sys.exit(f"review-scorer: {error}")


def read_app() -> ASGI:
    """Return the app that the environment asks for; raise ``SettingsError`` or ``BundleError`` if there is none."""
    settings = read_settings(os.environ)
    dictionary = settings.dictionary or DEFAULT_DICTIONARY
    bundle = load(settings.bundle, dictionary=dictionary, max_chars=settings.max_chars)
    facts = {
        "version": __version__,
        "bundle": {"digest": bundle.digest, **{key: bundle.manifest[key] for key in ("corpus", "dictionary", "seed")}},
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    probe = bundle.manifest["probe"]["text"]
    return create_app(bundle.scorer, probe=probe, facts=facts, settings=settings, drain=shared_drain())


class _State:
    """Puts what the protocol needs into the ASGI lifespan's state, where it finds it."""

    def __init__(self, **state: Any) -> None:
        self._state = state

    async def process_startup(self, scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Add it when the worker starts. A server without such a state has another protocol, too."""
        scope.get("state", {}).update(self._state)
