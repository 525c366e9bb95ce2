"""Where the service wants a key, the page asks for it."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect, sync_playwright

from tests.support.running import Server, serving

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium (Debian's package chromium)")


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"alice:{hashlib.sha256(b'wonder').hexdigest()}\n")
    with serving(tiny_bundle, API_KEYS_FILE=str(keys)) as server:
        yield server


@pytest.fixture
def page(guarded: Server) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{guarded.url}/")
        yield page
        browser.close()


def write(page: Page, text: str) -> None:
    page.locator("#text").fill(text)
    expect(page.locator("#result")).not_to_have_attribute("aria-busy", "true")


def test_the_page_asks_once_and_keeps_the_key_for_its_tab(page: Page) -> None:
    asked: list[str] = []

    def enter(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept(["guess", " wonder\u3000"][min(len(asked), 2) - 1])

    page.on("dialog", enter)
    write(page, "良い宿でした")
    expect(page.locator("#score")).not_to_be_empty()
    assert len(asked) == 2
    assert "API キー" in asked[0]
    page.reload()
    write(page, "最悪の宿でした")
    expect(page.locator("#score")).not_to_be_empty()
    assert len(asked) == 2


def test_who_declines_is_told_what_is_missing_and_not_asked_again(page: Page) -> None:
    asked: list[str] = []

    def decline(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", decline)
    write(page, "良い宿でした")
    expect(page.locator("#trouble")).to_contain_text("API キーが必要です")
    write(page, "良い宿でした。")
    expect(page.locator("#trouble")).to_contain_text("API キーが必要です")
    assert len(asked) == 1
