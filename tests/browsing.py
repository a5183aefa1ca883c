"""What tests of pages have in common: a browser, what a page tells its script, and what a reader does."""

import json
import re
import shutil
from contextlib import contextmanager

import pytest

RAW = 50_000  # points drawn one by one in a page at most
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WITHOUT_GPU = ["--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
MARKS = ".main-svg :is(.point, path.js-line, .hm image, .contourlayer path)"
HOSTILE = '</script><b onclick="alert(1)">&\u2028'


@contextmanager
def started():
    """Yield a browser; without one the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=WITHOUT_GPU)
        yield browser
        browser.close()


@contextmanager
def tabs(browser):
    """Yield what opens files, each once; whatever a page complains of or asks for makes it fail, at the latest here."""
    opened, complaints = {}, []

    def tab_of(path):
        if path not in opened:
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            tab.on("request", lambda asked: outside(asked.url) and complaints.append(asked.url))
            tab.goto(path.as_uri())
            tab.wait_for_selector("html[data-drawn]")
            opened[path] = tab
        assert not complaints, complaints
        return opened[path]

    yield tab_of
    for tab in opened.values():
        tab.close()
    assert not complaints, complaints


def outside(address):
    return not address.startswith(("file:", "data:", "blob:"))


def until(tab, condition):
    """Wait until a condition holds in the page; the page's own rules forbid playwright's way, which evaluates text."""
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(25)
    pytest.fail(f"never: {condition}")


def saved(tab, button):
    """Return name and text of the file that a button of the page saves."""
    with tab.expect_download() as download:
        tab.click(button)
    return download.value.suggested_filename, download.value.path().read_text()


def hovered(tab, chart):
    """Return what a chart says where its first mark is hovered over."""
    tab.locator(f"#{chart}").scroll_into_view_if_needed()
    mark = tab.locator(f"#{chart} .point").first.bounding_box()
    tab.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    tab.wait_for_selector(f"#{chart} .hoverlayer .hovertext")
    return tab.locator(f"#{chart} .hoverlayer").text_content()


def colours(tab, ink):
    """Return the colours of the page and of what ``ink``, a piece of its script, selects."""
    return tab.evaluate(f"[getComputedStyle(document.body).backgroundColor, {ink}]")


def told_of(path):
    """Return what the page's script is told of each chart, by name."""
    found = re.findall(
        r'<script type="application/json" id="([\w-]+)-told">(.*?)</script>', path.read_text(), re.DOTALL
    )
    return {name: json.loads(text) for name, text in found}


def drawn_one_by_one(told):
    """Return how many points the charts of a page draw one by one."""
    traces = [trace for one in told.values() for trace in one["data"] if trace["type"] in ("scatter", "bar")]
    return sum(len(trace["x"]) for trace in traces)
