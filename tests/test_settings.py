"""Configuration is read once, and a bad value is named."""

from pathlib import Path

import pytest

from service.cores import available_cores
from service.settings import Settings, SettingsError, read_settings, worker_count


def test_without_variables_the_defaults_hold() -> None:
    settings = read_settings({"PATH": "/bin", "REVIEW_SCORER_PORT": "tcp://10.0.0.1:80"})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.max_chars) == ("127.0.0.1", 4567, 10_000)


def test_every_setting_has_its_variable() -> None:
    environ = {
        "SCORER_HOST": "0.0.0.0",
        "SCORER_PORT": "80",
        "SCORER_BUNDLE": "/bundle",
        "SCORER_DICTIONARY": "/dictionary",
        "SCORER_WORKERS": "3",
        "SCORER_MAX_CHARS": "100",
        "SCORER_MAX_TEXTS": "10",
        "SCORER_MAX_EXPLAINED": "5",
        "SCORER_CORS_ORIGINS": "https://shop.example, http://localhost:3000",
        "SCORER_MAX_BYTES": "1000",
        "SCORER_MAX_WAIT_SECONDS": "0.2",
        "SCORER_MAX_PENDING_TEXTS": "20",
        "SCORER_BODY_SECONDS": "0.5",
        "SCORER_HEADER_SECONDS": "1.5",
        "SCORER_ANSWER_SECONDS": "2.5",
        "SCORER_MAX_CONNECTIONS": "30",
        "SCORER_KEEPALIVE_SECONDS": "5",
        "SCORER_DRAIN_SECONDS": "0",
        "SCORER_GRACEFUL_SECONDS": "6",
        "SCORER_STUCK_SECONDS": "7",
        "SCORER_API_KEYS_FILE": "/keys/keys",
        "SCORER_OPEN_PATHS": "/healthz /page/*",
        "SCORER_METRICS": "off",
        "SCORER_LOG": "plain",
    }
    assert read_settings(environ) == Settings(
        host="0.0.0.0",
        port=80,
        bundle=Path("/bundle"),
        dictionary=Path("/dictionary"),
        workers=3,
        max_chars=100,
        max_texts=10,
        max_explained=5,
        cors_origins=("https://shop.example", "http://localhost:3000"),
        max_bytes=1000,
        max_wait_seconds=0.2,
        max_pending_texts=20,
        body_seconds=0.5,
        header_seconds=1.5,
        answer_seconds=2.5,
        max_connections=30,
        keepalive_seconds=5,
        drain_seconds=0,
        graceful_seconds=6,
        stuck_seconds=7,
        api_keys_file=Path("/keys/keys"),
        open_paths=("/healthz", "/page/*"),
        metrics=False,
        log="plain",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCORER_PORT", "http"),
        ("SCORER_PORT", "0"),
        ("SCORER_PORT", "65536"),
        ("SCORER_PORT", "-1"),
        ("SCORER_PORT", "４５６７"),
        ("SCORER_WORKERS", "1.5"),
        ("SCORER_MAX_TEXTS", "0"),
        ("SCORER_BODY_SECONDS", "nan"),
        ("SCORER_BODY_SECONDS", "0"),
        ("SCORER_BODY_SECONDS", "soon"),
        ("SCORER_BUNDLE", " "),
        ("SCORER_HOST", ""),
        ("SCORER_CORS_ORIGINS", "*"),
        ("SCORER_CORS_ORIGINS", "https://shop.example/"),
        ("SCORER_CORS_ORIGINS", "https://shop.example,shop.example"),
        ("SCORER_MAX_CHAR", "5"),
        ("SCORER_METRICS", "yes"),
        ("SCORER_OPEN_PATHS", "healthz"),
        ("SCORER_OPEN_PATHS", "/*/page"),
        ("SCORER_LOG", "xml"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        read_settings({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("150000 100000", 2), ("1000 100000", 1)])
def test_a_container_counts_the_cores_it_was_given(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert available_cores(tmp_path / "cpu.max") == min(cores, available_cores(tmp_path / "none"))


def test_without_a_quota_the_machine_counts(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000")
    assert available_cores(tmp_path / "cpu.max") == available_cores(tmp_path / "none") >= 1


def test_there_is_a_worker_for_each_core_unless_a_number_is_asked_for() -> None:
    assert worker_count(Settings(workers=5)) == 5
    assert worker_count(Settings()) == available_cores()
