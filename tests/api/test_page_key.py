"""The page prompts for an API key if the service requires one."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect, sync_playwright

from tests.support.running import Server, serving

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (Debian package chromium)")


@pytest.fixture(scope="module")
def protected(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"alice:{hashlib.sha256(b'wonder').hexdigest()}\n")
    with serving(tiny_bundle, API_KEYS_FILE=str(keys)) as server:
        yield server


@pytest.fixture
def page(protected: Server) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{protected.url}/")
        yield page
        browser.close()


def write(page: Page, text: str) -> None:
    page.locator("#text").fill(text)
    expect(page.locator("#result")).not_to_have_attribute("aria-busy", "true")


def test_the_key_is_kept_for_the_tab(page: Page) -> None:
    prompts: list[str] = []

    def enter(dialog: Dialog) -> None:
        prompts.append(dialog.message)
        dialog.accept(["guess", " wonder\u3000"][min(len(prompts), 2) - 1])

    page.on("dialog", enter)
    write(page, "良い宿でした")
    expect(page.locator("#score")).not_to_be_empty()
    assert len(prompts) == 2
    assert "API キー" in prompts[0]
    page.reload()
    write(page, "最悪の宿でした")
    expect(page.locator("#score")).not_to_be_empty()
    assert len(prompts) == 2


def test_after_a_declined_prompt_the_page_shows_an_error_and_does_not_prompt_again(page: Page) -> None:
    prompts: list[str] = []

    def decline(dialog: Dialog) -> None:
        prompts.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", decline)
    write(page, "良い宿でした")
    expect(page.locator("#error")).to_contain_text("API キーが必要です")
    write(page, "良い宿でした。")
    expect(page.locator("#error")).to_contain_text("API キーが必要です")
    assert len(prompts) == 1
