"""The page in Chromium, with the real service behind it."""

import csv
import io
import json
import math
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.support.running import Server

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Chromium logs this for every error answer, even if the page handles it.
REFUSED = "Failed to load resource: the server responded with a status of"

MIXED = "料理は最高に美味しくて大満足でした。店員の態度は最悪で、二度と行きません。量は普通です。"

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (Debian package chromium)")

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open the page; at the end check that it logged nothing and sent no request to another host."""
    contexts: list[BrowserContext] = []
    messages: list[str] = []
    foreign: list[str] = []

    def guard(route: Route) -> None:
        if route.request.url.startswith(f"{server.url}/"):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def opened(query: str = "", *, width: int = 1100, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        context.route("**/*", guard)
        page = context.new_page()
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("console", lambda message: messages.append(message.text))
        page.goto(f"{server.url}/{query}")
        return page

    yield opened
    for context in contexts:
        context.close()
    if request.node.get_closest_marker("refusals"):
        messages = [message for message in messages if not message.startswith(REFUSED)]
    assert messages == []
    assert foreign == []


def call(server: Server, path: str, **body: Any) -> Any:
    answer = server.client.post(f"/api/1/{path}", json=body)
    answer.raise_for_status()
    return answer.json()


def write(page: Page, text: str) -> None:
    """Put ``text`` into the box, as pasting does, and wait for the score."""
    page.locator("#text").fill(text)
    expect(page.locator("#result")).not_to_have_attribute("aria-busy", "true")


# Each mark: its offset in code points, its text and its direction.
MARKS = """() => [...document.querySelectorAll('#mirror mark')].map(mark => {
  const range = document.createRange();
  range.setStart(document.getElementById('mirror'), 0);
  range.setEndBefore(mark);
  return [Array.from(range.toString()).length, mark.textContent, mark.classList[0]];
})"""


# --- served files -----------------------------------------------------------------------------------------------------


def test_browsers_get_the_page_and_other_clients_plain_text(server: Server) -> None:
    page = server.client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    for accept in ("*/*", "application/json"):
        plain = server.client.get("/", headers={"Accept": accept})
        assert (plain.status_code, plain.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert plain.text.count("\n") == 1
        assert "/api/1/scores" in plain.text


@pytest.mark.parametrize(
    ("path", "kind"), [("page.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")]
)
def test_an_unchanged_file_is_answered_304(server: Server, path: str, kind: str) -> None:
    first = server.client.get(f"/page/{path}")
    assert first.headers["content-type"].startswith(kind)
    again = server.client.get(f"/page/{path}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = server.client.get(f"/page/{path}", headers={"If-None-Match": '"other"'})
    assert other.content == first.content
    for answer in (first, again):
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2Fapp.py", "%2e%2e/app.py"])
def test_only_the_files_of_the_page_are_served(server: Server, name: str) -> None:
    answer = server.client.get(f"/page/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


# --- first tab: a text ------------------------------------------------------------------------------------------------


def test_typing_shows_score_interval_and_coverage(open_page: Open, server: Server) -> None:
    page = open_page()
    text = "朝食が美味しくて満足"
    page.locator("#text").press_sequentially(text, delay=10)
    result = call(server, "scores", texts=text, detail=True)
    expect(page.locator("#score")).to_have_text(f"{result['score']:.2f}")
    assert page.evaluate("parseFloat(document.querySelector('.fill').style.width)") == pytest.approx(
        20 * result["score"]
    )
    low, high = result["interval"]
    expect(page.locator("#interval-text")).to_contain_text(
        f"{math.floor(low * 10) / 10:.1f}〜{math.ceil(high * 10) / 10:.1f}"
    )
    expect(page.locator("#coverage")).to_have_text(f"{result['vocabulary_coverage']:.0%}")
    expect(page.get_by_role("status").first).to_contain_text(f"星 {result['score']:.2f}")


def test_an_empty_box_has_no_stars(open_page: Open) -> None:
    page = open_page()
    write(page, MIXED)
    page.locator("#text").fill(" \n")
    expect(page.locator("#figure")).to_be_hidden()
    expect(page.locator("#reasons")).to_be_hidden()
    assert page.evaluate("document.querySelector('.fill').style.width") == "0%"


@pytest.mark.parametrize(
    "text",
    [
        "ﾊﾞｯﾃﾘｰの持ちがすごくいい。ﾌﾟﾗｽﾁｯｸ感は残念。",
        "最高👍🏽👨‍👩‍👧‍👦大満足😊でも𠮷野の店は最悪",
        "駅から何㌔も歩いた。㍿の対応は最悪でした。",
        "一行目は最高。\n\n三行目は最悪。\n",
    ],
    ids=["half-width", "emoji", "ligatures", "lines"],
)
def test_words_are_marked_at_their_exact_position(open_page: Open, server: Server, text: str) -> None:
    page = open_page()
    write(page, text)
    spans = call(server, "explain", texts=text)["spans"]
    visible = [span for span in spans if abs(span["contribution"]) >= 0.04]
    expected = [[s["start"], s["surface"], "up" if s["contribution"] > 0 else "down"] for s in visible]
    assert expected
    assert page.evaluate(MARKS) == expected
    assert page.evaluate("document.getElementById('mirror').textContent") == f"{text}\n"


@pytest.mark.parametrize("width", [360, 1100])
def test_the_marks_wrap_lines_like_the_textarea(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    write(page, f"{MIXED}ﾊﾟﾝは「焼きたて」(でも硬い)。Wi-Fi は OK。\n" * 6)
    heights = page.evaluate("""['text', 'mirror'].map(id => {
      const { style } = document.getElementById(id);
      [style.alignSelf, style.minHeight, style.height, style.overflow] = ['start', '0', '0', 'hidden'];
      return document.getElementById(id).scrollHeight;
    })""")
    assert heights[0] == heights[1] > 300


def test_marks_move_with_their_words_while_typing(open_page: Open) -> None:
    page = open_page()
    write(page, MIXED)
    before = page.evaluate(MARKS)
    page.route("**/api/1/*", lambda _: None)  # no further answer
    page.locator("#text").evaluate("box => { box.value = 'あの' + box.value; box.dispatchEvent(new Event('input')) }")
    assert page.evaluate(MARKS) == [[start + 2, word, side] for start, word, side in before]
    assert before


def test_sentences_that_conflict_with_the_score_are_marked(open_page: Open, server: Server) -> None:
    page = open_page()
    write(page, MIXED)
    result = call(server, "explain", texts=MIXED)

    def conflicts(own: float) -> bool:
        distance = abs(own - result["score"])
        return bool(distance > 1 or (distance > 0.5 and (own - 3) * (result["score"] - 3) < 0))

    expected = [MIXED[s["start"] : s["end"]] for s in result["sentences"] if conflicts(s["score"])]
    assert 0 < len(expected) < 3
    assert page.locator("#mirror .conflicting").all_inner_texts() == expected
    assert page.locator("#sentences q").all_inner_texts() == expected


def test_the_parts_of_the_score_add_up(open_page: Open) -> None:
    page = open_page()
    write(page, MIXED)
    *parts, total = page.locator("#sum b").all_inner_texts()
    assert sum(float(part.replace("−", "-")) for part in parts) == pytest.approx(float(total[2:]), abs=0.02)
    assert total[2:] == page.locator("#score").inner_text()


def test_low_vocabulary_coverage_shows_a_warning(open_page: Open) -> None:
    page = open_page()
    write(page, "Lorem ipsum dolor sit amet")
    expect(page.locator("#warning")).to_contain_text("0%")
    write(page, "部屋がとても良いです")
    expect(page.locator("#warning")).to_be_hidden()


def test_the_answer_for_an_older_text_is_dropped(open_page: Open, server: Server) -> None:
    page = open_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "最悪" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.fallback()

    page.route("**/api/1/*", hold)
    with page.expect_request(lambda request: "最悪" in (request.post_data or "")):
        page.locator("#text").fill("最悪")
    write(page, "最高です")
    for route in held:
        route.fulfill(
            json={
                "score": 1,
                "interval": [1, 1],
                "vocabulary_coverage": 1,
                "base": 1,
                "rest": 0,
                "spans": [],
                "sentences": [],
            }
        )
    expect(page.locator("#score")).to_have_text(f"{call(server, 'scores', texts='最高です')['score']:.2f}")


def test_text_of_an_input_method_is_scored_only_once_it_is_committed(open_page: Open, server: Server) -> None:
    page = open_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.locator("#text").focus()
    keyboard = page.context.new_cdp_session(page)
    for kana in ("さ", "さい", "さいこ", "さいこう"):
        keyboard.send("Input.imeSetComposition", {"text": kana, "selectionStart": len(kana), "selectionEnd": len(kana)})
        assert page.locator("#text").input_value() == kana
    page.wait_for_timeout(600)
    assert [url for url in requested if "/api/" in url] == []
    keyboard.send("Input.insertText", {"text": "最高"})
    expect(page.locator("#score")).to_have_text(f"{call(server, 'scores', texts='最高')['score']:.2f}")
    assert page.locator("#text").input_value() == "最高"


def test_the_shown_curl_command_gives_the_same_score(open_page: Open, server: Server) -> None:
    text = 'It\'s "最高"、$HOME も `良い`\\n!'
    page = open_page()
    write(page, text)
    page.locator("#by-api summary").click()
    command, option, body, url = shlex.split(page.locator("#curl").inner_text())
    assert (command, option, url) == ("curl", "-d", f"{server.url}/api/1/scores")
    assert server.client.post(url, content=body.encode()).json()["score"] == call(server, "scores", texts=text)["score"]
    assert server.client.get(page.locator("#by-api a").get_attribute("href") or "").status_code == 200


@pytest.mark.refusals
def test_a_busy_service_is_retried_after_retry_after(open_page: Open) -> None:
    page = open_page()
    busy = {"error": {"code": "overloaded", "field": None, "reason": "too many requests"}}
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if route.request.url in refused:
            route.fallback()
        else:
            refused.append(route.request.url)
            route.fulfill(status=503, headers={"Retry-After": "0"}, json=busy)

    page.route("**/api/1/*", refuse_once)
    write(page, MIXED)
    expect(page.locator("#score")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()
    assert len(refused) == 2


@pytest.mark.refusals
def test_a_refused_text_shows_the_reason(open_page: Open) -> None:
    page = open_page()
    write(page, "あ" * 10_001)
    expect(page.locator("#error")).to_have_text("本文が長すぎます")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#error")).to_have_text("the text is too long")
    write(page, MIXED)
    expect(page.locator("#error")).to_be_hidden()


def test_the_page_can_be_used_with_the_keyboard(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="宿").focus()
    page.keyboard.press("Enter")
    word = page.locator("#raised button").first
    word.focus()
    page.keyboard.press("Enter")
    chosen = page.evaluate("(box => box.value.slice(box.selectionStart, box.selectionEnd))(document.activeElement)")
    assert chosen == word.locator(".surface").inner_text()
    page.get_by_role("tab").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="ファイルを採点")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("CSV")
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()


# --- second tab: a file -----------------------------------------------------------------------------------------------

BAD = {7: "", 150: " 　", 199: "あ" * 10_001, 200: "音は\0良い", 1999: "\t"}


@pytest.fixture(scope="module")
def rows(reviews: list[dict[str, str]]) -> list[tuple[str, str]]:
    """2,000 pairs of stars and text, some of them invalid or hard to parse."""
    plain = [row for row in reviews if row["texts"].encode("cp932", "replace").decode("cp932") == row["texts"]]
    made = [(row["points"], row["texts"]) for row in plain[::4][:2000]]
    for at, text in BAD.items():
        made[at] = (made[at][0], text)
    made[3] = ("", '=HYPERLINK("a","b") 最高,最高\n二度目も満足')
    made[4] = ("五", "-5 度でも暖かい")
    assert len(made) == 2000
    return made


def as_csv(rows: list[tuple[str, str]], *, names: tuple[str, str] = ("評価", "レビュー"), delimiter: str = ",") -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


def choose(page: Page, content: bytes, name: str = "reviews.csv") -> None:
    page.get_by_role("tab").nth(1).click()
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def saved(page: Page) -> list[list[str]]:
    with page.expect_download() as download:
        page.locator("#save").click()
    text = Path(download.value.path()).read_bytes().decode()
    assert text.startswith("\ufeff")
    assert download.value.suggested_filename == "reviews-stars.csv"
    return list(csv.reader(io.StringIO(text[1:], newline="")))


@pytest.mark.refusals
def test_the_valid_rows_of_a_file_of_2000_are_scored(
    open_page: Open, server: Server, rows: list[tuple[str, str]]
) -> None:
    page = open_page(accept_downloads=True)
    choose(page, as_csv(rows).encode("cp932"))
    expect(page.locator("#file-facts")).to_have_text("reviews.csv・2,000 行・Shift_JIS")
    page.locator("#start").click()
    expect(page.locator("#progress-text")).to_have_text("2,000 行の処理が完了しました。", timeout=60_000)
    good = [at for at in range(2000) if at not in BAD]
    stars = [
        score
        for part in (good[:1000], good[1000:])
        for score in call(server, "scores", texts=[rows[at][1] for at in part])["scores"]
    ]

    page.locator("#escape-formulas").uncheck()
    header, *lines = saved(page)
    assert header == [
        "評価",
        "レビュー",
        "predicted_stars",
        "interval_low",
        "interval_high",
        "vocabulary_coverage",
        "error",
    ]
    assert [tuple(line[:2]) for line in lines] == rows
    assert [float(lines[at][2]) for at in good] == pytest.approx(stars, abs=0)
    assert {at: lines[at][6] for at in BAD} == {
        7: "本文が空です",
        150: "本文が空です",
        199: "本文が長すぎます",
        200: "使用できない文字（NUL）が含まれています",
        1999: "本文が空です",
    }
    assert all(line[6] == "" for at, line in enumerate(lines) if at not in BAD)

    page.locator("#escape-formulas").check()
    _, *escaped = saved(page)
    assert escaped[3][1] == "'" + rows[3][1]
    assert escaped[4][1] == "'" + rows[4][1]
    assert [line[2] for line in escaped] == [line[2] for line in lines]

    pairs = [
        (score, float(rows[at][0]))
        for score, at in zip(stars, good, strict=True)
        if rows[at][0] in "12345" and rows[at][0]
    ]
    errors = [abs(score - truth) for score, truth in pairs]
    tiles = {
        tile: page.locator(f"#{tile} b").inner_text()
        for tile in ("tile_scored", "tile_failed", "tile_true", "tile_rmse", "tile_mae", "tile_within")
    }
    assert tiles == {
        "tile_scored": "1,995",
        "tile_failed": "5",
        "tile_true": f"{len(pairs):,}",
        "tile_rmse": f"{math.sqrt(sum(error**2 for error in errors) / len(errors)):.2f}",
        "tile_mae": f"{sum(errors) / len(errors):.2f}",
        "tile_within": f"{sum(error <= 1 for error in errors) / len(errors):.0%}",
    }
    bars = page.locator("#histogram rect").evaluate_all("bars => bars.map(bar => +bar.dataset.count)")
    assert bars == [sum(min(15, int((score - 1) * 4)) == at for score in stars) for at in range(16)]
    cells = page.locator("#confusion tbody td").all_inner_texts()
    assert sum(int(cell.replace(",", "")) for cell in cells if cell != "·") == len(pairs)
    worst = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
    expect(page.locator("#largest-errors li").first).to_contain_text(f"実際 {worst[1]:.0f} → 予測 {worst[0]:.2f}")
    failed = page.locator("#failed li").all_inner_texts()
    assert [line.split(" ")[0] for line in failed] == ["9", "152", "201", "202", "2,001"]


def test_the_table_has_pages_and_can_be_sorted(open_page: Open, rows: list[tuple[str, str]]) -> None:
    page = open_page()
    few = [row for at, row in enumerate(rows[:60]) if at not in BAD]
    choose(page, as_csv(few).encode())
    page.locator("#start").click()
    expect(page.locator("#table tbody tr")).to_have_count(25)
    page.get_by_role("button", name="次へ").click()
    page.get_by_role("button", name="次へ").click()
    expect(page.locator("#table tbody tr")).to_have_count(len(few) - 50)
    expect(page.get_by_role("button", name="次へ")).to_be_disabled()
    page.locator("#order").select_option("low")
    shown = [float(star) for star in page.locator("#table tbody b").all_inner_texts()]
    assert shown == sorted(shown)
    assert len(shown) == 25


TRICKY = [("5", '友人も"最高",私も満足'), ("1", "最悪でした。\r\n二度と行きません。"), ("3", "ﾌﾟﾗﾝは①〜③の三種類")]


@pytest.mark.parametrize(
    ("encoding", "delimiter", "shown"),
    [("utf-8", ",", "UTF-8"), ("utf-8-sig", "\t", "UTF-8"), ("cp932", ",", "Shift_JIS"), ("utf-16", "\t", "UTF-16LE")],
)
def test_common_encodings_and_separators_are_read(open_page: Open, encoding: str, delimiter: str, shown: str) -> None:
    tricky = TRICKY if encoding != "cp932" else [(star, text.replace("〜", "～")) for star, text in TRICKY]
    page = open_page(accept_downloads=True)
    choose(page, as_csv(tricky, names=("Rating", "Review"), delimiter=delimiter).encode(encoding))
    expect(page.locator("#file-facts")).to_have_text(f"reviews.csv・3 行・{shown}")
    expect(page.locator("#text-column")).to_have_value("1")
    expect(page.locator("#stars-column")).to_have_value("0")
    page.locator("#start").click()
    expect(page.locator("#tile_true b")).to_have_text("3")
    assert [tuple(line[:2]) for line in saved(page)[1:]] == tricky


def test_without_a_header_the_longest_column_is_chosen_and_can_be_changed(open_page: Open) -> None:
    page = open_page()
    choose(page, "1,部屋が広くて朝食も美味しかったです\n2,駅から遠くて不便なうえに店員も無愛想でした\n".encode())
    expect(page.locator("#header")).not_to_be_checked()
    expect(page.locator("#text-column")).to_have_value("1")
    expect(page.locator("#preview li").first).to_have_text("部屋が広くて朝食も美味しかったです")
    page.locator("#stars-column").select_option("0")
    expect(page.locator("#preview li").first).to_have_text("★1 部屋が広くて朝食も美味しかったです")
    page.locator("#text-column").select_option("0")
    expect(page.locator("#preview li").first).to_have_text("★1 1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ファイルにデータがありません。"),
        (b"text\n\xff\xff\xff", "文字コードが UTF-8 でも Shift_JIS でもありません"),
        ('text\n良い\n"すぐ壊れた\n'.encode(), "3 行目で始まる引用符"),
    ],
    ids=["empty", "encoding", "quote"],
)
def test_an_unreadable_file_shows_the_reason(open_page: Open, content: bytes, words: str) -> None:
    page = open_page()
    choose(page, content)
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.locator("#start")).to_be_hidden()


def test_a_file_can_be_dropped(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("tab").nth(1).click()
    page.evaluate("""() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['text\\n最高でした\\n'], 'dropped.csv'));
      const drop = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
      document.getElementById('drop').dispatchEvent(drop);
    }""")
    expect(page.locator("#file-facts")).to_contain_text("dropped.csv・1 行")


def test_stopping_keeps_the_scored_rows(open_page: Open, rows: list[tuple[str, str]]) -> None:
    page = open_page(accept_downloads=True)
    good = [row for at, row in enumerate(rows[:700]) if at not in BAD]
    sent: list[Route] = []

    def hold_the_second(route: Route) -> None:
        sent.append(route)
        if len(sent) == 1:
            route.fallback()

    page.route("**/api/1/scores", hold_the_second)
    choose(page, as_csv(good).encode())
    page.locator("#start").click()
    expect(page.locator("#progress-text")).to_have_text(f"200 / {len(good)} 行")
    page.get_by_role("button", name="中止").click()
    expect(page.locator("#progress-text")).to_have_text(f"200 / {len(good)} 行で中止しました。")
    expect(page.locator("#start")).to_be_focused()
    expect(page.locator("#tile_scored b")).to_have_text("200")
    _, *lines = saved(page)
    assert [bool(line[2]) for line in lines] == [at < 200 for at in range(len(good))]
    assert {line[6] for line in lines[200:]} == {"未送信"}


@pytest.mark.refusals
def test_batches_shrink_until_the_service_accepts_them(open_page: Open, rows: list[tuple[str, str]]) -> None:
    page = open_page()
    sizes: list[int] = []

    def at_most_fifty(route: Route) -> None:
        sizes.append(len(json.loads(route.request.post_data or "")["texts"]))
        if sizes[-1] > 50:
            error = {"code": "texts_too_many", "field": "texts", "reason": "at most 50"}
            route.fulfill(status=413, json={"error": error})
        else:
            route.fallback()

    page.route("**/api/1/scores", at_most_fifty)
    good = [row for at, row in enumerate(rows[:130]) if at not in BAD]
    choose(page, as_csv(good).encode())
    page.locator("#start").click()
    expect(page.locator("#tile_scored b")).to_have_text(str(len(good)))
    assert max(sizes[2:]) <= 50


# --- languages and accessibility --------------------------------------------------------------------------------------


def test_the_page_is_japanese_by_default_and_stores_the_chosen_language(open_page: Open) -> None:
    page = open_page(locale="en-US")
    assert page.locator("html").get_attribute("lang") == "ja"
    expect(page.get_by_role("heading", level=1)).to_have_text("レビュー採点")
    write(page, MIXED)
    page.get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title() == "Review scorer"
    expect(page.locator("#interval-text")).to_contain_text("For four out of five")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review scorer")
    page.goto(f"{page.url}?lang=ja")
    expect(page.get_by_role("heading", level=1)).to_have_text("レビュー採点")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_page_has_no_text_in_the_other_language(open_page: Open, language: str) -> None:
    page = open_page(f"?lang={language}")
    write(page, MIXED)
    choose(page, as_csv([("5", MIXED), ("1", "")]).encode())
    page.locator("#start").click()
    expect(page.locator("#failed li")).to_have_count(1)
    for tab in (0, 1):
        page.get_by_role("tab").nth(tab).click()
        # Reviews are Japanese, and the language buttons have the name of their own language.
        page.evaluate(
            "document.querySelectorAll('[lang]:not(html), select, pre, .facts').forEach(each => each.remove())"
        )
        words = page.locator("body").inner_text()
        assert words.isascii() or language == "ja" or not any("\u3040" <= letter <= "\u9fff" for letter in words), words
        assert language == "en" or "Predicted" not in words


def states(page: Page) -> Iterator[str]:
    """Bring the page into each of its states."""
    yield "empty"
    write(page, MIXED)
    page.locator("#by-api summary").click()
    yield "scored"
    write(page, "Lorem ipsum")
    yield "warned"
    page.get_by_role("tab").nth(1).click()
    yield "no file"
    choose(page, b"\xff\xff")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "unreadable file"
    choose(page, as_csv([("5", MIXED), ("1", ""), ("2", "すぐに壊れた")] * 20).encode())
    yield "file"
    page.locator("#start").click()
    expect(page.locator("#table")).to_be_visible()
    yield "results"


@pytest.mark.parametrize("width", [360, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_state_fits_the_screen_and_is_accessible(open_page: Open, language: str, scheme: Any, width: int) -> None:
    # Reduced motion, so that colours are not measured during a transition.
    page = open_page(f"?lang={language}", width=width, color_scheme=scheme, reduced_motion="reduce")
    bright = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + +b, 0)")
    assert (bright > 600) == (scheme == "light")
    for state in states(page):
        found = Axe().run(page)
        assert found.violations_count == 0, f"{state}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, state
