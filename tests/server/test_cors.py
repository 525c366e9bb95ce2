"""Cross-origin requests: pages of a configured origin may read responses, all others may not."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import falcon.testing
import pytest
from playwright.sync_api import Error, Page, sync_playwright

from review_scorer.app import create_app
from review_scorer.scoring.bundle import load
from review_scorer.settings import Settings
from tests.support.running import Server, serving

SCORES = "/api/1/scores"
SHOP, STRANGER = "https://shop.example", "https://stranger.example"
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module", params=[(), (SHOP, "http://localhost:3000")])
def origins(request: pytest.FixtureRequest) -> tuple[str, ...]:
    named: tuple[str, ...] = request.param
    return named


@pytest.fixture(scope="module")
def client(tiny_bundle: Path, origins: tuple[str, ...]) -> falcon.testing.TestClient:
    settings = Settings(cors_origins=origins, max_bytes=1_000)
    return falcon.testing.TestClient(create_app(load(tiny_bundle).scorer, probe="良い", facts={}, settings=settings))


@pytest.mark.parametrize(
    ("body", "status"), [('{"texts": "良い"}', 200), ("{}", 400), ('{"texts": "' + "a" * 1_000 + '"}', 413)]
)
@pytest.mark.parametrize("origin", [SHOP, STRANGER])
def test_only_a_configured_origin_may_read_responses_and_errors(
    client: falcon.testing.TestClient, origins: tuple[str, ...], origin: str, body: str, status: int
) -> None:
    result = client.simulate_post(SCORES, body=body, headers={"Origin": origin})
    assert result.status_code == status
    assert result.headers.get("access-control-allow-origin") == (origin if origin in origins else None)
    assert ("Origin" in result.headers.get("vary", "")) == bool(origins)
    readable = result.headers.get("access-control-expose-headers")
    assert readable == ("Retry-After, X-Request-Id, X-Prediction-Id" if origin in origins else None)


@pytest.mark.parametrize("origin", [SHOP, STRANGER])
def test_only_a_configured_origin_passes_a_preflight_request(
    client: falcon.testing.TestClient, origins: tuple[str, ...], origin: str
) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    allowed = client.simulate_options(SCORES, headers=asked).headers
    assert allowed.get("access-control-allow-origin") == (origin if origin in origins else None)
    assert ("POST" in allowed.get("access-control-allow-methods", "")) == (origin in origins)
    assert allowed.get("access-control-allow-headers") == ("content-type" if origin in origins else None)


def test_a_request_without_an_origin_gets_no_cors_headers(client: falcon.testing.TestClient) -> None:
    result = client.simulate_post(SCORES, body='{"texts": "良い"}')
    assert result.status_code == 200
    assert "access-control-allow-origin" not in result.headers


@pytest.fixture
def elsewhere(server: Server) -> Iterator[Page]:
    """A page of another origin in a real browser."""
    if not CHROMIUM:
        pytest.skip("there is no chromium (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        # The policy of this page forbids all requests; that of a page on another site would allow them.
        page = browser.new_page(bypass_csp=True)
        page.goto(f"{server.url}/healthz")
        yield page
        browser.close()


def test_a_browser_allows_requests_of_a_configured_origin_only(
    server: Server, tiny_bundle: Path, elsewhere: Page
) -> None:
    ask = """([url, texts]) => fetch(url + "/api/1/scores", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({texts}),
    }).then(async answer => [answer.status, await answer.json()])"""
    with serving(tiny_bundle, CORS_ORIGINS=server.url) as other:
        status, answer = elsewhere.evaluate(ask, [other.url, "良い宿"])
        assert (status, list(answer)) == (200, ["score"])
        status, answer = elsewhere.evaluate(ask, [other.url, "a" * 2_000_000])
        assert (status, answer["error"]["code"]) == (413, "body_too_large")
    with serving(tiny_bundle, CORS_ORIGINS=SHOP) as other, pytest.raises(Error, match="Failed to fetch"):
        elsewhere.evaluate(ask, [other.url, "良い宿"])
