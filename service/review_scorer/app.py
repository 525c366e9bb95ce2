"""Composition of the service: ``create_app`` wires the parts, ``get_app`` reads the environment."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
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
from review_scorer.api.predictor import Predictor
from review_scorer.api.scores import Scores
from review_scorer.api.scores_fast import FastPath
from review_scorer.asgi import ASGI
from review_scorer.capacity.admission import Admission
from review_scorer.capacity.queue import WorkQueue
from review_scorer.prediction_log.entries import (
    feedback_redaction,
    feedback_stream,
    prediction_entry,
    prediction_redaction,
)
from review_scorer.prediction_log.prediction_ids import HEADER, PredictionSink
from review_scorer.prediction_log.recorder import Recorder
from review_scorer.prediction_log.shadow import Shadow
from review_scorer.scoring.bundle import Bundle, load
from review_scorer.scoring.errors import BundleError, TextError
from review_scorer.scoring.scorer import Scorer
from review_scorer.scoring.tokens import DEFAULT_DICTIONARY
from review_scorer.server.body import WholeBody
from review_scorer.server.cors import CrossOrigin
from review_scorer.server.error_boundary import ErrorBoundary
from review_scorer.server.headers import ResponseHeaders
from review_scorer.server.lifecycle import Drain, Reload, shared_drain, shared_reload
from review_scorer.server.runtime import Runtime
from review_scorer.server.streaming import StreamedBody
from review_scorer.settings import Settings, SettingsError, read_settings
from review_scorer.telemetry import metrics, request_log, tracing
from review_scorer.telemetry.log_writer import LogWriter, shared_log_writer
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
    counters: SharedCounters | None = None,
    trained: Mapping[str, Sequence[int]] | None = None,
    log_writer: LogWriter | None = None,
    keys: ApiKeyStore | None = None,
    traced: bool = False,
) -> ASGI:
    """Return the ASGI app that serves ``scorer``.

    ``probe`` is the review that each worker scores before it is ready; ``facts`` is the answer of ``/version``.
    ``drain`` and ``reload`` are the state of the shutdown and of a reload. ``recorder`` writes the prediction log, for
    a part of it with the scores of ``shadow``. ``counters`` are the shared counters of the metrics, ``trained`` is the
    distribution of scores in training. ``log_writer`` writes the request log. ``keys`` are required on all paths
    except the public ones. ``traced`` turns OpenTelemetry traces on.
    """
    events = RequestEvents()
    readiness = Readiness(scorer, probe, drain or Drain())
    admission = Admission(
        max_wait=settings.queue_timeout,
        max_texts=settings.max_pending_texts,
        reloading=lambda: bool(reload and reload.in_progress),
    )
    app = falcon.asgi.App(middleware=[readiness])
    error_response.install(app)
    pages.install(app)
    sink = _prediction_sink(app, admission.queue, recorder, shadow, share=settings.shadow_share)
    predictor = Predictor(scorer, admission, events, sink)
    scores = Scores(predictor, max_texts=settings.max_texts)
    app.add_route("/api/1/users", scores)  # the path of the first version
    app.add_route("/api/1/scores", scores)
    app.add_route("/api/1/explain", Explanations(scorer, admission, events, max_texts=settings.max_explain_texts))
    app.add_route(_FILES, Files(predictor, max_bytes=settings.max_file_bytes))
    stream, store = feedback_stream(settings.prediction_log_stream), recorder.store if recorder else None
    app.add_route(
        "/api/1/feedback", Feedback(scorer, store, stream=stream, keep=feedback_redaction(settings.prediction_log_text))
    )
    inferred = inference.Inference(predictor, max_texts=settings.max_texts, max_bytes=settings.max_bytes)
    inference.install(app, inferred, readiness)
    health.install(app, readiness, facts)
    if settings.metrics:
        metrics.install(app, events, admission, counters or SharedCounters(), facts=facts, trained=trained)
    if traced:
        tracing.install(app, events)
    if log_writer:  # after the traces, whose ids are logged
        request_log.install(events, log_writer, settings.log)
    auth = ApiKeyAuth(keys, public_paths=settings.public_paths)
    telemetry = TelemetryMiddleware(_middleware(app, admission, auth, settings), events, routes=routes_of(app))
    fast_path = FastPath(predictor, auth, telemetry) if settings.fast_path else None
    runtime = Runtime(settings=settings, admission=admission, telemetry=telemetry, fast_path=fast_path)
    app.add_middleware([auth, runtime])
    return telemetry


def _middleware(app: ASGI, admission: Admission, auth: ApiKeyAuth, settings: Settings) -> ASGI:
    """Return ``app`` within the middleware that every request passes, except the outermost, the telemetry."""
    files = StreamedBody(app, admission, max_bytes=settings.max_file_bytes, seconds=settings.read_body_timeout)
    served: ASGI = WholeBody(
        app,
        admission,
        max_bytes=settings.max_bytes,
        seconds=settings.read_body_timeout,
        authenticate=auth.authenticate,
        streamed={_FILES: files},
    )
    if settings.cors_origins:
        served = CrossOrigin(served, settings.cors_origins, exposed=("Retry-After", "X-Request-Id", HEADER))
    return ResponseHeaders(ErrorBoundary(served))


def _prediction_sink(
    app: falcon.asgi.App[Any, Any], queue: WorkQueue, recorder: Recorder | None, shadow: Scorer | None, *, share: float
) -> PredictionSink | None:
    """Return the receiver of all predictions, if any, and start and stop it with ``app``."""
    if not recorder:
        return None
    app.add_middleware(recorder)
    if not shadow:
        return recorder.add
    shadowing = Shadow(shadow, queue, share=share, sink=recorder.add, count=recorder.count)
    # After the recorder, as they are stopped in reverse order.
    app.add_middleware(shadowing)
    return shadowing.add


def get_app() -> ASGI:
    """Return the app that the environment configures, or exit with one line that says what is wrong."""
    try:
        return read_app()
    except (SettingsError, BundleError, ApiKeysError) as error:
        sys.exit(f"review-scorer: {error}")


def read_app() -> ASGI:
    """Return the app that the environment configures.

    Raises ``SettingsError``, ``BundleError`` or ``ApiKeysError``.
    """
    settings = read_settings(os.environ)
    keys = ApiKeyStore(settings.api_keys_file, shared_rate_limiter()) if settings.api_keys_file else None
    bundle = _load(settings.bundle, settings)
    shadow = _load(settings.shadow_bundle, settings) if settings.shadow_bundle else None
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
        counters=shared_counters(),
        # Bundles of earlier versions have none.
        trained=bundle.manifest.get("distribution"),
        log_writer=shared_log_writer(),
        keys=keys,
        traced=tracing.is_enabled(os.environ),
        recorder=_recorder(settings, bundle.digest, shadow.digest if shadow else ""),
        shadow=shadow.scorer if shadow else None,
    )


def _load(path: Path, settings: Settings) -> Bundle:
    try:
        return load(path, dictionary=settings.dictionary or DEFAULT_DICTIONARY, max_chars=settings.max_chars)
    except TextError as error:  # of the probe review, with which a bundle is verified
        raise SettingsError(
            f"SCORER_MAX_CHARS={settings.max_chars} is too low for the probe review of {path}: {error}"
        ) from None


def _recorder(settings: Settings, bundle: str, shadow_bundle: str) -> Recorder | None:
    if not settings.redis_url:
        return None
    from review_scorer.prediction_log.redis_stream import RedisStreams  # noqa: PLC0415 - see there

    redact = prediction_redaction(settings.prediction_log_text, settings.prediction_log_key)
    return Recorder(
        RedisStreams(settings.redis_url, length=settings.prediction_log_length),
        lambda prediction: prediction_entry(prediction, redact, bundle=bundle, shadow_bundle=shadow_bundle),
        stream=settings.prediction_log_stream,
        buffer_bytes=settings.prediction_log_buffer_bytes,
        count=shared_counters().add,
    )
