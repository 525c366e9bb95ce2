"""Where everything is put together: ``create_app`` wires, ``get_app`` reads the world."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import falcon.asgi

from review_scorer import __version__
from review_scorer.access.api_keys import ApiKeysError, ApiKeyStore
from review_scorer.access.authentication import ApiKeyAuth
from review_scorer.access.rate_limits import shared_rate_limiter
from review_scorer.api import error_response, health, pages
from review_scorer.api.explain import Explanations
from review_scorer.api.feedback import Feedback
from review_scorer.api.files import Files
from review_scorer.api.health import Readiness
from review_scorer.api.inference import resources as inference
from review_scorer.api.predictor import Keep, Predictor
from review_scorer.api.scores import Scores
from review_scorer.api.scores_fast import FastPath
from review_scorer.asgi import ASGI
from review_scorer.capacity.admission import Admission
from review_scorer.capacity.queue import WorkQueue
from review_scorer.prediction_log.entries import feedback_stream, keeping, keeping_sent, prediction_entry
from review_scorer.prediction_log.prediction_ids import HEADER
from review_scorer.prediction_log.recorder import Recorder
from review_scorer.prediction_log.shadow import Shadow
from review_scorer.scoring.bundle import load
from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.scorer import Scorer
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.server.body import WholeBody
from review_scorer.server.cors import CrossOrigin
from review_scorer.server.lifecycle import Drain, Reload, shared_drain, shared_reload
from review_scorer.server.streaming import StreamedBody
from review_scorer.settings import Settings, SettingsError, read_settings
from review_scorer.telemetry import metrics, request_log, tracing
from review_scorer.telemetry.log_writer import Lines, shared_log_writer
from review_scorer.telemetry.middleware import RequestEvents, TelemetryMiddleware, routes_of
from review_scorer.telemetry.shared_counters import SharedCounters, shared_counters

_LIBRARIES = ("falcon", "gunicorn", "uvicorn", "lightgbm", "mecab-python3", "ipadic", "numpy", "msgspec")
_FILES = "/api/1/files"


def create_app(
    scorer: Scorer,
    *,
    probe: str,
    facts: Mapping[str, Any],
    settings: Settings,
    drain: Drain | None = None,
    reload: Reload | None = None,
    recorder: Recorder | None = None,
    shadow: Scorer | None = None,
    tallies: SharedCounters | None = None,
    trained: Mapping[str, Sequence[int]] | None = None,
    lines: Lines | None = None,
    keys: ApiKeyStore | None = None,
    traced: bool = False,
) -> ASGI:
    """Return the ASGI app that serves ``scorer``.

    ``probe`` is the review that each worker scores before it calls itself ready; ``facts`` is what ``/version`` tells.
    ``drain``, once started, makes it unready; ``reload`` is in progress while the workers change. ``tallies`` are what
    the workers count into; ``trained`` is what the bundle keeps of how its held-out reviews scored. ``lines`` is where
    requests are logged to. Where there are ``keys``, only who has one may ask for what is not open to all. ``traced``:
    whether a collector is sent traces. ``recorder`` writes what was predicted, and for some of it what ``shadow`` says.
    """
    watch = RequestEvents()
    readiness = Readiness(scorer, probe, drain or Drain())
    turns = WorkQueue(patience=settings.queue_timeout, reloading=lambda: bool(reload and reload.in_progress))
    admission = Admission(turns, max_texts=settings.max_pending_texts)
    app = falcon.asgi.App(middleware=[readiness])
    error_response.install(app)
    pages.install(app)
    keep = _keep(app, turns, recorder, shadow, share=settings.shadow_share)
    predictor = Predictor(scorer, admission, watch, keep)
    scores = Scores(predictor, max_texts=settings.max_texts)
    app.add_route("/api/1/users", scores)  # the original's name for it
    app.add_route("/api/1/scores", scores)
    app.add_route("/api/1/explain", Explanations(scorer, admission, watch, max_texts=settings.max_explain_texts))
    app.add_route(_FILES, Files(predictor, max_bytes=settings.max_file_bytes))
    said, store = feedback_stream(settings.prediction_log_stream), recorder.store if recorder else None
    app.add_route(
        "/api/1/feedback", Feedback(scorer, store, stream=said, keep=keeping_sent(settings.prediction_log_text))
    )
    inferred = inference.Inference(predictor, max_texts=settings.max_texts, max_bytes=settings.max_bytes)
    inference.install(app, inferred, readiness)
    health.install(app, readiness, facts)
    if settings.metrics:
        metrics.install(app, watch, admission, tallies or SharedCounters(), facts=facts, trained=trained)
    if traced:
        tracing.install(app, watch)
    if lines:  # after the traces, whose ids the lines name
        request_log.install(watch, lines, settings.log)
    guarding = ApiKeyAuth(keys, public_paths=settings.public_paths)
    files = StreamedBody(app, admission, max_bytes=settings.max_file_bytes, seconds=settings.read_body_timeout)
    served: ASGI = WholeBody(
        app,
        admission,
        max_bytes=settings.max_bytes,
        seconds=settings.read_body_timeout,
        guard=guarding.check,
        streamed={_FILES: files},
    )
    if settings.cors_origins:
        served = CrossOrigin(served, settings.cors_origins, exposed=("Retry-After", "X-Request-Id", HEADER))
    observed = TelemetryMiddleware(served, watch, routes=routes_of(app))
    direct = FastPath(predictor, guarding, observed)
    app.add_middleware([guarding, _State(settings=settings, admission=admission, observed=observed, direct=direct)])
    return observed


def _keep(
    app: falcon.asgi.App[Any, Any], turns: WorkQueue, recorder: Recorder | None, shadow: Scorer | None, *, share: float
) -> Keep | None:
    """Return what is to be told of every prediction, if anything, and let it begin and end with ``app``."""
    if not recorder:
        return None
    app.add_middleware(recorder)
    if not shadow:
        return recorder.add
    shadowing = Shadow(shadow, turns, share=share, keep=recorder.add, count=recorder.count)
    # After the recorder, as they end in reverse order.
    app.add_middleware(shadowing)
    return shadowing.add


def get_app() -> ASGI:
    """Return the app that the environment asks for, or end the process with one line that says what is wrong."""
    try:
        return read_app()
    except (SettingsError, BundleError, ApiKeysError) as error:
        sys.exit(f"review-scorer: {error}")


def read_app() -> ASGI:
    """Return the app that the environment asks for; raise what ``get_app`` ends with if there is none."""
    settings = read_settings(os.environ)
    keys = ApiKeyStore(settings.api_keys_file, shared_rate_limiter()) if settings.api_keys_file else None
    read = partial(load, dictionary=settings.dictionary or DEFAULT_DICTIONARY, max_chars=settings.max_chars)
    bundle = read(settings.bundle)
    shadow = read(settings.shadow_bundle) if settings.shadow_bundle else None
    facts: dict[str, Any] = {
        "version": __version__,
        "bundle": {"digest": bundle.digest, **{key: bundle.manifest[key] for key in ("corpus", "dictionary", "seed")}},
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    if shadow:
        facts["shadow"] = {"digest": shadow.digest}
    return create_app(
        bundle.scorer,
        probe=bundle.manifest["probe"]["text"],
        facts=facts,
        settings=settings,
        drain=shared_drain(),
        reload=shared_reload(),
        tallies=shared_counters(),
        # A bundle of an earlier version keeps none.
        trained=bundle.manifest.get("distribution"),
        lines=shared_log_writer(),
        keys=keys,
        traced=tracing.wanted(os.environ),
        recorder=_recorder(settings, bundle.digest, shadow.digest if shadow else ""),
        shadow=shadow.scorer if shadow else None,
    )


def _recorder(settings: Settings, bundle: str, shadow_bundle: str) -> Recorder | None:
    if not settings.redis_url:
        return None
    from review_scorer.prediction_log.redis_stream import Streams  # noqa: PLC0415 - see there

    keep = keeping(settings.prediction_log_text, settings.prediction_log_key)
    return Recorder(
        Streams(settings.redis_url, length=settings.prediction_log_length),
        lambda prediction: prediction_entry(prediction, keep, bundle=bundle, shadow_bundle=shadow_bundle),
        stream=settings.prediction_log_stream,
        held_bytes=settings.prediction_log_buffer_bytes,
        count=shared_counters().add,
    )


class _State:
    """Puts what the protocol needs into the ASGI lifespan's state, where it finds it."""

    def __init__(self, **state: Any) -> None:
        self._state = state

    async def process_startup(self, scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Add it when the worker starts. A server without such a state has another protocol, too."""
        scope.get("state", {}).update(self._state)
