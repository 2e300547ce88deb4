"""The page in a real browser: desk and phone, light and dark, without scripts, and with its styles blocked."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from chaos.analysis.history import History
from chaos.analysis.statistics import groups
from chaos.report.evidence import taken
from chaos.report.files import gather
from chaos.report.page import html
from tests.recordings import build_sample_campaign
from tests.report.results import HEADLINE, campaign, trial

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self'"
"""What Jenkins sends with an artefact: no scripts, and none of the page's own styles."""
OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"


class Blocking(http.server.SimpleHTTPRequestHandler):
    """Serves under Jenkins's policy, and remembers what was asked for."""

    asked: list[str] = []  # noqa: RUF012 - one server a module

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        self.asked.append(self.path)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    directory = build_sample_campaign(tmp_path_factory.mktemp("report") / "sample")
    trials = trial(0, 51.9, 51.99), trial(1, 75.9, 76.0, experiment="delete-master")
    result = campaign(*trials, groups=groups(list(trials)))
    path = directory / "report.html"
    found = [taken(History.load(directory / one.directory), one) for one in result.trials]
    path.write_text(html(result, gather(directory, result, found)[0]))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: apt-get install chromium, or leave these out with -m 'not browser'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


def opened(browser: Browser, url: str, **context: Any) -> tuple[Page, list[str]]:
    """The page, and everything that it asked for or complained about."""
    page = browser.new_context(java_script_enabled=False, **context).new_page()
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.goto(url)
    return page, heard


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_and_its_first_lines_are_seen(browser, report, width, scheme):
    page, heard = opened(browser, report.as_uri(), viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert overflow(page) <= 0
    page.evaluate(OPEN_ALL)
    assert overflow(page) <= 0
    for sentence in HEADLINE.values():
        box = page.get_by_text(sentence).first.bounding_box()
        assert box
        assert box["y"] + box["height"] < 900
    assert heard == [report.as_uri()]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_first_table_has_a_row_and_a_drawn_bar_for_each_fault(browser, report, width):
    page, _ = opened(browser, report.as_uri(), viewport={"width": width, "height": 900})
    assert page.locator("main section").first.get_attribute("id") == "faults"
    names = page.locator("#faults tbody th a").all_text_contents()
    assert [name.partition(",")[0] for name in names] == ["delete-master", "kill-master"], "what hurts most is first"
    for bar in page.locator("#faults tbody svg.bar").all():
        box = bar.bounding_box()
        assert box
        assert box["width"] > 100
        assert bar.locator("rect").count() > 3
    assert page.locator("#faults").get_by_text("is an anecdote").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser, report, scheme):
    page, _ = opened(browser, report.as_uri(), viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    poor = page.evaluate(CONTRAST)
    assert poor == []


def test_with_its_styles_blocked_the_page_is_complete(browser, report):
    handler = functools.partial(Blocking, directory=str(report.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page, _ = opened(browser, f"http://127.0.0.1:{server.server_port}/report.html")
        for sentence in HEADLINE.values():
            assert page.get_by_text(sentence).first.is_visible()
        assert page.locator("table").count() > 10
        assert page.evaluate(TABLES) == tables_of(browser, report), "each table with all its rows"
        seen = page.evaluate(
            "[...document.querySelectorAll('table')].map(it => [it.checkVisibility(), !!it.closest('details')])"
        )
        assert all(visible or folded for visible, folded in seen)
        page.evaluate(OPEN_ALL)
        assert all(page.evaluate("[...document.querySelectorAll('table')].map(it => it.checkVisibility())"))
        fills = page.evaluate("[...document.querySelectorAll('#phases rect')].map(each => getComputedStyle(each).fill)")
        server.shutdown()
    assert any("phase-endpoint" in fill for fill in fills)
    assert Blocking.asked == ["/report.html"]


def tables_of(browser: Browser, report: Path) -> list[list[Any]]:
    """The tables of the page with its own styles, and with scripts."""
    page = browser.new_context().new_page()
    page.goto(report.as_uri())
    found: list[list[Any]] = page.evaluate(TABLES)
    return found


def test_the_keyboard_reaches_what_opens_and_what_scrolls(browser, report):
    page, _ = opened(browser, report.as_uri())
    page.locator("#claims a, #findings a").last.focus()
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName + document.activeElement.className"))
    assert reached == ["DIVscroll", "SUMMARY", "SUMMARY"]


def test_paper_shows_what_the_screen_folds(browser, report):
    page, _ = opened(browser, report.as_uri())
    page.emulate_media(media="print")
    folded = page.evaluate(
        "[...document.querySelectorAll('details:not([open]) > table')].map(it => it.checkVisibility())"
    )
    assert len(folded) > 5
    assert all(folded)


@pytest.mark.parametrize("width", [720, 794])
def test_paper_cuts_nothing_off(browser, report, width):
    """A4 at the usual margins, and without any: a text that ends at the very edge loses its last pixels."""
    page, _ = opened(browser, report.as_uri(), viewport={"width": width, "height": 1100})
    page.emulate_media(media="print")
    assert overflow(page) <= 0
    assert page.evaluate(AT_THE_EDGE) == []
    assert len(page.pdf(format="A4", print_background=True)) > 50_000


TABLES = """[...document.querySelectorAll('table')].map(table =>
  [table.closest('section')?.id, table.rows.length, table.textContent.replace(/\\s+/g, ' ').trim()])"""
AT_THE_EDGE = """() => {
  const cut = [], range = document.createRange();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.textContent.trim() || !walker.currentNode.parentElement.checkVisibility()) continue;
    if (walker.currentNode.parentElement.closest('thead, svg')) continue;
    range.selectNodeContents(walker.currentNode);
    for (const box of range.getClientRects())
      if (box.right > window.innerWidth - 1 || box.left < 1)
        cut.push(walker.currentNode.textContent.trim().slice(0, 40));
  }
  return cut;
}"""
"""Texts that end or begin within a pixel of the paper's edge. What is only for screen readers has no place on it."""


CONTRAST = """() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const linear = c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(c => linear(c / 255))
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *:not(svg):not(svg *)')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) poor.push(element.tagName + ' ' + element.textContent.trim().slice(0, 40));
  }
  return poor;
}"""
"""Elements whose own text is nearer to its ground than WCAG's AA allows."""
