"""Settings are read once from the environment, and an invalid one stops the start."""

import re
from pathlib import Path

import pytest

from review_scorer.compute.cores import available_cores
from review_scorer.settings import Settings, SettingsError, read_settings, worker_count


def test_the_defaults_are_used_without_variables() -> None:
    settings = read_settings({"PATH": "/bin", "REVIEW_SCORER_PORT": "tcp://10.0.0.1:80"})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.max_chars) == ("127.0.0.1", 4567, 10_000)


def test_every_setting_has_a_variable() -> None:
    environ = {
        "SCORER_HOST": "0.0.0.0",
        "SCORER_PORT": "80",
        "SCORER_BUNDLE": "/bundle",
        "SCORER_DICTIONARY": "/dictionary",
        "SCORER_WORKERS": "3",
        "SCORER_MAX_CHARS": "100",
        "SCORER_MAX_TEXTS": "10",
        "SCORER_MAX_EXPLAIN_TEXTS": "5",
        "SCORER_CORS_ORIGINS": "https://shop.example, http://localhost:3000",
        "SCORER_MAX_BYTES": "1000",
        "SCORER_MAX_FILE_BYTES": "2000",
        "SCORER_QUEUE_TIMEOUT": "0.2",
        "SCORER_MAX_PENDING_TEXTS": "20",
        "SCORER_READ_BODY_TIMEOUT": "0.5",
        "SCORER_READ_HEADER_TIMEOUT": "1.5",
        "SCORER_WRITE_TIMEOUT": "2.5",
        "SCORER_MAX_CONNECTIONS": "30",
        "SCORER_KEEPALIVE_SECONDS": "5",
        "SCORER_DRAIN_SECONDS": "0",
        "SCORER_GRACEFUL_TIMEOUT": "6",
        "SCORER_WORKER_TIMEOUT": "7",
        "SCORER_REDIS_URL": "rediss://:s%2Fcret@redis:6380/2?ssl_ca_certs=/ca.pem",
        "SCORER_PREDICTION_LOG_TEXT": "masked",
        "SCORER_PREDICTION_LOG_KEY": "0123456789abcdef",
        "SCORER_PREDICTION_LOG_STREAM": "shop:predictions",
        "SCORER_PREDICTION_LOG_LENGTH": "1000",
        "SCORER_PREDICTION_LOG_BUFFER_BYTES": "65536",
        "SCORER_SHADOW_BUNDLE": "/shadow",
        "SCORER_SHADOW_SHARE": "0.5",
        "SCORER_API_KEYS_FILE": "/keys/keys",
        "SCORER_PUBLIC_PATHS": "/healthz /page/*",
        "SCORER_METRICS": "off",
        "SCORER_FAST_PATH": "off",
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
        max_explain_texts=5,
        cors_origins=("https://shop.example", "http://localhost:3000"),
        max_bytes=1000,
        max_file_bytes=2000,
        queue_timeout=0.2,
        max_pending_texts=20,
        read_body_timeout=0.5,
        read_header_timeout=1.5,
        write_timeout=2.5,
        max_connections=30,
        keepalive_seconds=5,
        drain_seconds=0,
        graceful_timeout=6,
        worker_timeout=7,
        redis_url="rediss://:s%2Fcret@redis:6380/2?ssl_ca_certs=/ca.pem",
        prediction_log_text="masked",
        prediction_log_key="0123456789abcdef",
        prediction_log_stream="shop:predictions",
        prediction_log_length=1000,
        prediction_log_buffer_bytes=65_536,
        shadow_bundle=Path("/shadow"),
        shadow_share=0.5,
        api_keys_file=Path("/keys/keys"),
        public_paths=("/healthz", "/page/*"),
        metrics=False,
        fast_path=False,
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
        ("SCORER_MAX_FILE_BYTES", "63"),
        ("SCORER_READ_BODY_TIMEOUT", "nan"),
        ("SCORER_READ_BODY_TIMEOUT", "0"),
        ("SCORER_READ_BODY_TIMEOUT", "soon"),
        ("SCORER_BUNDLE", " "),
        ("SCORER_HOST", ""),
        ("SCORER_CORS_ORIGINS", "*"),
        ("SCORER_CORS_ORIGINS", "https://shop.example/"),
        ("SCORER_CORS_ORIGINS", "https://shop.example,shop.example"),
        ("SCORER_MAX_CHAR", "5"),
        ("SCORER_PREDICTION_LOG_LENGTH", "0"),
        ("SCORER_PREDICTION_LOG_STREAM", "two words"),
        ("SCORER_PREDICTION_LOG_TEXT", "none"),
        ("SCORER_SHADOW_SHARE", "0"),
        ("SCORER_SHADOW_SHARE", "10%"),
        ("SCORER_METRICS", "yes"),
        ("SCORER_FAST_PATH", "1"),
        ("SCORER_PUBLIC_PATHS", "healthz"),
        ("SCORER_PUBLIC_PATHS", "/*/page"),
        ("SCORER_LOG", "xml"),
    ],
)
def test_the_error_names_the_variable_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        read_settings({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("150000 100000", 2), ("1000 100000", 1)])
def test_a_container_has_the_cores_of_its_cpu_quota(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert available_cores(tmp_path / "cpu.max") == min(cores, available_cores(tmp_path / "none"))


def test_without_a_quota_all_cores_are_available(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000")
    assert available_cores(tmp_path / "cpu.max") == available_cores(tmp_path / "none") >= 1


def test_there_is_one_worker_per_core_unless_a_number_is_configured() -> None:
    assert worker_count(Settings(workers=5)) == 5
    assert worker_count(Settings()) == available_cores()


@pytest.mark.parametrize(
    "url",
    [
        "redis",
        "localhost:6379",
        "http://:hunter2@redis",
        "redis://",
        "redis://:hunter2@redis:none",
        "redis://:hunter2/@redis",
        "redis://:hunter2#@redis",
        "redis://:hunter2@redis:0",
        "redis://:hunter2@redis/predictions",
        "redis://:hunter2@redis?password=hunter2",
        "unix://",
    ],
)
def test_an_invalid_url_of_redis_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^SCORER_REDIS_URL: must be redis://") as refused:
        read_settings({"SCORER_REDIS_URL": url})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["redis://redis", "redis://:secret@10.0.0.1:6379/0", "rediss://[::1]:6379", "unix:///run/redis.sock?db=1"]
)
def test_a_valid_url_of_redis_is_used_unchanged_and_not_shown(url: str) -> None:
    settings = read_settings({"SCORER_REDIS_URL": url, "SCORER_PREDICTION_LOG_KEY": "the secret key of hashes"})
    assert settings.redis_url == url
    assert url not in repr(settings)
    assert "the secret key of hashes" not in repr(settings)


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(
        SettingsError, match=r"^SCORER_PREDICTION_LOG_KEY: must have at least 16 random characters"
    ) as refused:
        read_settings({"SCORER_REDIS_URL": "redis://redis", "SCORER_PREDICTION_LOG_KEY": "tooshort"})
    assert "tooshort" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCORER_PREDICTION_LOG_TEXT", "masked"),
        ("SCORER_PREDICTION_LOG_LENGTH", "10"),
        ("SCORER_SHADOW_BUNDLE", "build/other"),
    ],
)
def test_settings_of_the_prediction_log_need_redis(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} needs SCORER_REDIS_URL$"):
        read_settings({name: value})


def test_the_share_of_a_shadow_needs_its_bundle() -> None:
    with pytest.raises(SettingsError, match=r"^SCORER_SHADOW_SHARE needs SCORER_SHADOW_BUNDLE$"):
        read_settings({"SCORER_REDIS_URL": "redis://redis", "SCORER_SHADOW_SHARE": "0.5"})


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("SCORER_MAX_CHAR", "SCORER_MAX_CHAR is not a setting; did you mean SCORER_MAX_CHARS?"),
        (
            "SCORER_QUEUE_TIMEOUT_SECONDS",
            "SCORER_QUEUE_TIMEOUT_SECONDS is not a setting; did you mean SCORER_QUEUE_TIMEOUT?",
        ),
        ("SCORER_WORKER", "SCORER_WORKER is not a setting; did you mean SCORER_WORKERS?"),
    ],
)
def test_a_misspelt_variable_is_answered_with_the_closest_setting(variable: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        read_settings({variable: "1"})


def test_an_unknown_variable_that_resembles_none_is_answered_with_all_settings() -> None:
    with pytest.raises(
        SettingsError, match=r"^SCORER_42 is not a setting; the settings are SCORER_HOST, .*SCORER_LOG$"
    ):
        read_settings({"SCORER_42": "1"})
