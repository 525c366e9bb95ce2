"""Pages elsewhere: those of a named origin may ask the service, all others may not."""

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
def test_only_a_named_origin_may_read_the_answer_and_refusals_too(
    client: falcon.testing.TestClient, origins: tuple[str, ...], origin: str, body: str, status: int
) -> None:
    result = client.simulate_post(SCORES, body=body, headers={"Origin": origin})
    assert result.status_code == status
    assert result.headers.get("access-control-allow-origin") == (origin if origin in origins else None)
    assert ("Origin" in result.headers.get("vary", "")) == bool(origins)
    readable = result.headers.get("access-control-expose-headers")
    assert readable == ("Retry-After, X-Request-Id, X-Prediction-Id" if origin in origins else None)


@pytest.mark.parametrize("origin", [SHOP, STRANGER])
def test_only_a_named_origin_is_told_in_advance_that_it_may_ask(
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


def test_without_an_origin_nothing_is_different(client: falcon.testing.TestClient) -> None:
    result = client.simulate_post(SCORES, body='{"texts": "良い"}')
    assert result.status_code == 200
    assert "access-control-allow-origin" not in result.headers


@pytest.fixture
def elsewhere(server: Server) -> Iterator[Page]:
    """A page of another origin, in a real browser."""
    if not CHROMIUM:
        pytest.skip("there is no chromium (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        # Its own policy lets it ask nobody; that of a real page elsewhere would let it ask us.
        page = browser.new_page(bypass_csp=True)
        page.goto(f"{server.url}/healthz")
        yield page
        browser.close()


def test_a_browser_lets_a_named_page_score_and_no_other(server: Server, tiny_bundle: Path, elsewhere: Page) -> None:
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
