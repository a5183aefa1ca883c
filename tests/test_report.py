"""Pages: what the components of a page are made of, and what a browser makes of the page of a run and of a search."""

import csv
import io
import json
import re
import shutil
from types import SimpleNamespace

import browsing
import numpy as np
import pytest
from browsing import HOSTILE, MARKS, RAW, colours, drawn_one_by_one, hovered, saved, told_of, until

import mnemo_jax as mnemo
from mnemo_jax import losses, store
from mnemo_jax.figures import style, where
from mnemo_jax.figures.levels import levels_of
from mnemo_jax.report import chart, landscape, page, report, table, theme
from mnemo_jax.run_networks import FILE
from mnemo_jax.starts import Grid

pytestmark = pytest.mark.usefixtures("no_fsync")

INK = "getComputedStyle(document.querySelector('#steps .xtitle')).fill"  # of a chart


# ---- components ----


def drawn(**given):
    made = chart.figure([{"type": "scatter", "x": [1, 2], "y": [3, 4]}], xaxis={"title": {"text": "x"}})
    told = {"name": "one", "title": "One", "caption": "It.", "alt": "It rises.", "numbers": {"x": [1, 2], "y": [3, 4]}}
    return chart.Chart(**told | {"figure": made} | given)


def test_json_in_a_script_is_harmless_and_says_the_same():
    told = page.in_script({"b": HOSTILE, "a": [np.float64(0.1), np.nan]})
    assert not set(told) & set("<>&\u2028")
    assert json.loads(told) == {"b": HOSTILE, "a": [0.1, None]}


def test_a_chart_tells_its_figure_without_plotly_s_template_and_its_numbers_by_column():
    told = drawn().told
    assert told["data"] == [{"type": "scatter", "x": [1, 2], "y": [3, 4]}]
    assert told["layout"] == {"xaxis": {"title": {"text": "x"}}}
    assert told["numbers"] == {"names": ["x", "y"], "columns": [[1, 2], [3, 4]]}
    with pytest.raises(AssertionError, match="differ in length"):
        assert drawn(numbers={"x": [1], "y": []}).told


def test_plotly_takes_colours_by_their_names_and_refuses_what_it_does_not_know():
    chart.figure([{"type": "scatter", "line": {"color": theme.hue(0)}}])
    chart.figure([{"type": "heatmap", "z": [[1]], "colorscale": theme.heights()}])
    with pytest.raises(ValueError, match="colour"):
        chart.figure([{"type": "scatter", "line": {"colour": "red"}}])


def test_every_colour_that_figures_name_has_a_value_in_light_and_in_dark():
    light, dark = theme.style_sheet().splitlines()
    named = [*(theme.hue(k) for k in range(theme.DISTINCT)), *(theme.place(k) for k in range(theme.PLACES))]
    named += [colour for _, colour in theme.heights()] + [f"var(--{name})" for name in theme.LIGHT]
    for name in named:
        assert f"{name[4:-1]}:#" in light
        assert f"{name[4:-1]}:#" in dark


def test_digits_are_kept_at_any_scale():
    assert chart.digits([123456789.0, -0.000123456789, 0.0, 1e-310], 3) == [123000000.0, -0.000123, 0.0, 0.0]
    assert np.isnan(chart.digits([np.nan])[0])


def test_tags_in_a_chart_s_words_are_words():
    assert chart.text("<a href='x'>&") == "&lt;a href='x'&gt;&amp;"


def test_a_table_tells_how_it_comes_sorted():
    made = table.Table(name="t", caption="T", columns=[table.Column("a")], rows=[], sort=(0, "ascending"))
    assert made.order(0) == "ascending"
    assert made.order(1) == "none"


def test_slugs_are_names_of_files():
    assert page.slug("Six-hump camel </b>") == "six-hump-camel-b"
    assert page.slug("…") == "page"


# ---- records and their pages ----


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    made = {"devices": 1, "out": out}
    return SimpleNamespace(
        line=mnemo.survey(losses.build("double_well", {"tilt": 0.5}), starts=2000, **made),
        square=mnemo.survey("himmelblau", starts=4000, **made),
        cells=mnemo.survey("himmelblau", starts=Grid(shape=(30, 40)), **made),
        many=mnemo.survey(losses.build("rastrigin", {"dim": 4}), starts=3000, **made),
        lost=mnemo.survey("himmelblau", starts=200, learning_rate=1.0, **made),
        search=mnemo.find_critical_points("himmelblau", out=out),
    )


NAMES = ("line", "square", "cells", "many", "lost", "search")
CHARTS = {
    "line": {"landscape", "shares", "levels", "steps"},
    "square": {"landscape", "basins", "shares", "steps", "survival"},
    "cells": {"landscape", "basins", "shares", "steps"},
    "many": {"projection", "shares", "levels", "steps"},
    "lost": {"landscape", "steps"},
    "search": {"landscape", "index", "barriers"},
}


@pytest.fixture(scope="module")
def pages(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {name: report(getattr(records, name), folder / f"{name}.html") for name in NAMES}


def test_the_same_record_gives_the_same_bytes_and_lies_in_its_folder_when_no_file_is_named(records, pages):
    for name in ("square", "search"):
        record = getattr(records, name)
        again = report(record.path)
        assert again == record.path / "report.html"
        assert again.read_bytes() == pages[name].read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_charts_that_apply_are_there_and_few_points_are_drawn_one_by_one(pages, name):
    told = told_of(pages[name])
    assert set(told) == CHARTS[name]
    assert drawn_one_by_one(told) < RAW


def test_nothing_in_the_page_refers_outside_it(pages):
    text = pages["square"].read_text()
    own = text[: text.index("<script>/**")]  # plotly.js names addresses that it never asks for as it is set up here
    assert not re.search(r"https?://", own)
    assert re.findall(r'(?:src|href)="([^"#][^"]*)"', own) == ["data:,"]


def test_a_record_of_an_escape_has_no_page(records, tmp_path):
    folder = tmp_path / "escape"
    shutil.copytree(records.line.path, folder)
    store.write_json(folder / "escape.json", {})
    with pytest.raises(mnemo.UserError, match="escape experiment"):
        report(folder)


def test_a_landscape_that_is_lost_is_said_to_be_missing_and_the_rest_is_there(records, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(records.square.path, folder)
    (folder / "picture.npz").unlink()
    path = report(folder)
    assert "A chart of the landscape is missing here" in path.read_text()
    assert set(told_of(path)) == CHARTS["square"] - {"landscape"}


def repainted(record, folder, loss):
    """Return what the page's script is told of a record's landscape when its picture's loss is what ``loss`` makes."""
    shutil.copytree(record.path, folder)
    kept = where.picture(record)
    store.write_npz(folder / "picture.npz", kept | {"loss": loss(kept["loss"])})
    path = report(folder)
    return told_of(path)["landscape"], path.read_text()


@pytest.mark.parametrize(
    ("loss", "bar", "said"),
    [
        (lambda loss: np.full_like(loss, np.nan), False, "The loss is finite at no point of the picture."),
        (lambda loss: np.full_like(loss, 3.0), False, "The loss is 3 at all points of the picture."),
        (lambda loss: np.where(loss > 50, np.nan, loss), True, "Blank: the loss is not finite."),
    ],
)
def test_no_bar_of_heights_is_made_up_where_there_are_none(records, tmp_path, loss, bar, said):
    told, text = repainted(records.square, tmp_path / "run", loss)
    assert told["data"][0]["showscale"] is bar
    assert [note["text"] for note in told["layout"].get("annotations", [])] == ["no finite loss"] * ("no point" in said)
    assert said in text


def test_a_curve_without_a_finite_loss_says_so(records, tmp_path):
    _, text = repainted(records.line, tmp_path / "run", lambda loss: np.full_like(loss, np.nan))
    assert "The loss is finite at no point of the picture." in text


def test_descents_that_wind_are_thinner_but_not_in_the_legend(records, monkeypatch):
    path = next(iter(records.square.stored_paths().values()))
    winding = np.concatenate([path[:1], np.tile(path[[0, -1]], (50, 1)), path[-1:]])
    monkeypatch.setattr(records.square, "stored_paths", lambda: {0: path, 1: winding})
    data = landscape.landscape(records.square).told["data"]
    direct, wound, key = (trace for trace in data if trace.get("legendgroup") == "descents")
    assert wound["line"]["width"] < 0.5 * direct["line"]["width"]
    assert wound["opacity"] < direct["opacity"] == 1.0
    assert [trace.get("showlegend", True) for trace in (direct, wound, key)] == [False, False, True]


BARRIERS = {
    "pairs": [[0, 1], [2, 3], [4, 5]],
    "steps": 10,
    "t": [0.0, 0.5, 1.0],
    "losses": {"loss": {"straight": {"loss": [[1, 3, 1]] * 3, "height": [2.0, 0.25, 0.5], "at": [0.5] * 3}}},
}
END = {
    "start": 7,
    "loss": 0.125,
    "highest": 31.5,
    "lowest": -0.75,
    "negative": 4,
    "decided": False,
    "word": "undecided",
    "zero": 1e-6,
}


def test_what_was_found_of_networks_is_in_the_page_of_their_run(records, pages, tmp_path):
    assert "the-networks" not in pages["line"].read_text()
    folder = tmp_path / "run"
    shutil.copytree(records.line.path, folder)
    curvature = {"optimizer": "sgd", "full_batch": True, "limit": None, "ends": [END, END | {"lowest": -3e-7}]}
    curvature["products"] = 60
    told = {"starts": 8, "ends": 8, "loss": {}, "network": None, "gradients": [], "layers": None, "distinct": None}
    told |= {"curvature": curvature, "density": None, "sharpness": None, "barriers": BARRIERS, "slices": None}
    store.write_json(folder / FILE, told)
    text = report(folder).read_text()
    (section,) = re.findall(r'<section aria-labelledby="the-networks">(.*?)</section>', text, re.DOTALL)
    assert "8 networks; barrier 0.5 on the line between two." in section
    cells = [
        re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[dh] ?[^>]*>.*?</t[dh]>|<th.*?</th>", section)
    ]
    ends = [["7", "0.125", "31.5", lowest, "≥ 4", "undecided"] for lowest in ("−0.75", "0")]
    for row in (*ends, ["straight line", "0.5", "0.25", "2"]):
        assert any(cells[k : k + len(row)] == row for k in range(len(cells))), row
    assert section.count('<img src="data:image/svg+xml;base64,') == 1
    assert '<a href="#the-networks">' in text
    (name,) = re.findall(r'<figure class="chart" id="([^"]*)">', section)
    assert name == "networks-barriers"


def test_a_figure_in_bytes_is_what_its_file_holds(tmp_path):
    figure = style.page_named("a", "b", "", 3.0, 2.0)
    figure.add_subplot().plot([1, 2])
    for path in style.save(figure, tmp_path / "one"):
        assert path.read_bytes() == style.drawn(figure, path.suffix)


def test_what_the_page_says_first_is_what_the_record_says(records, pages):
    (verdict,) = re.findall(r'<p class="verdict">(.*?)</p>', pages["square"].read_text())
    shares, stalls = records.square.shares, records.square.summary["stalls"]
    assert "4,000 starts reached 4 minima" in verdict
    assert f"{100 * shares.share.max():.2f}\u00a0%" in verdict
    assert f"{stalls['starts']} stalled" in verdict
    assert "the next start finds a new point with probability below" in verdict


# ---- in a browser ----


@pytest.fixture(scope="module")
def opened(pages):
    """Open pages by name, see `browsing.tabs`."""
    with browsing.started() as browser, browsing.tabs(browser) as tab_of:
        yield lambda name, path=None: tab_of(path or pages[name])


@pytest.mark.parametrize("name", NAMES[1:])  # the hostile one below is the first
def test_every_chart_is_drawn_and_nothing_is_complained_of_or_asked_for(opened, name):
    tab = opened(name)
    for one in CHARTS[name]:
        assert tab.locator(f"#{one} {MARKS}").count() > 0, one
        assert tab.locator(f"#{one} .plot[role=img]").get_attribute("aria-labelledby")
        assert len(tab.locator(f"#{one} figcaption").inner_text()) > 20
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_no_button_of_a_chart_leads_elsewhere(opened):
    bar = "[...document.querySelectorAll('.modebar-btn')].map((button) => button.dataset.title)"
    assert set(opened("square").evaluate(bar)) == {"Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"}


def test_headings_are_in_order_and_every_id_is_there_once(opened):
    for name in ("square", "search"):
        tab = opened(name)
        levels = tab.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => Number(h.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert max(np.diff(levels)) <= 1
        ids = tab.evaluate(
            "[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id) => !id.startsWith('g'))"
        )
        assert len(ids) == len(set(ids))
        named = tab.evaluate("[...document.querySelectorAll('nav a, .skip')].map((a) => a.hash.slice(1))")
        assert set(named) <= set(ids)


def column(tab, number):
    return tab.evaluate(f"[...document.querySelectorAll('#points tbody tr')].map((r) => r.cells[{number}].innerText)")


def test_tables_are_sorted_by_mouse_and_by_keyboard(opened, records):
    tab = opened("square")
    heads = tab.locator("#points th button")
    sorts = lambda: tab.evaluate("[...document.querySelectorAll('#points thead th')].map((h) => h.ariaSort)")  # noqa: E731
    share = [name.strip() for name in heads.all_inner_texts()].index("share")
    assert sorts()[share] == "descending"
    by_share = [float(told.split()[0]) for told in column(tab, share)]
    assert by_share == sorted(by_share, reverse=True)
    heads.first.click()
    assert column(tab, 0) == [str(k) for k in range(len(records.square.catalogue.x))]
    assert sorts()[0] == "ascending"
    heads.first.focus()
    tab.keyboard.press("Enter")
    assert column(tab, 0)[0] == str(len(records.square.catalogue.x) - 1)
    assert sorts()[0] == "descending"
    assert sorts()[share] == "none"
    assert "Sorted by label" in tab.locator("#said").inner_text()
    heads.nth(share).focus()
    tab.keyboard.press("Space")
    assert sorts()[share] == "descending"


def test_a_point_tells_its_label_where_it_is_hovered_over(opened):
    assert re.search(r"minimum \d", hovered(opened("square"), "shares"))


def test_numbers_of_charts_are_those_of_the_record(opened, records):
    name, text = saved(opened("square"), "#shares [data-csv]")
    rows = list(csv.DictReader(io.StringIO(text)))
    label = [int(row["label"]) for row in rows]
    shares = records.square.shares
    assert name == "himmelblau-shares.csv"
    assert [float(row["share"]) for row in rows] == shares.share[label].tolist()
    assert [[float(row["low"]), float(row["high"])] for row in rows] == shares.interval[label].tolist()
    _, text = saved(opened("many"), "#levels [data-csv]")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [float(row["loss"]) for row in rows] == levels_of(records.many).loss.tolist()


def test_cells_of_a_map_are_saved_in_rows(opened, records):
    _, text = saved(opened("cells"), "#basins [data-csv]")
    corner, *rows = csv.reader(io.StringIO(text))
    label = records.cells.starts("label")["label"].to_numpy().reshape(30, 40)
    assert corner[0] == "x2 \\ x1"
    assert [[int(cell) for cell in row[1:]] for row in rows] == label.T.tolist()


def test_rows_of_a_table_are_saved_with_whole_numbers(opened, records):
    _, text = saved(opened("search"), "#points [data-rows]")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [float(row["loss"]) for row in rows] == records.search.catalogue.loss.tolist()


def test_a_figure_is_saved_as_svg_in_light_colours_whatever_the_page_s(opened):
    tab = opened("square")
    tab.emulate_media(color_scheme="dark")
    name, text = saved(tab, "#steps [data-svg]")
    tab.emulate_media(color_scheme="light")
    until(tab, f"{INK} == 'rgb(28, 32, 36)'")
    assert name == "himmelblau-steps.svg"
    assert text.startswith("<svg")
    assert "rgb(28, 32, 36)" in text  # ink on white


def test_dark_changes_page_and_charts_and_back(opened):
    tab = opened("square")
    light = colours(tab, INK)
    tab.emulate_media(color_scheme="dark")
    until(tab, f"{INK} != '{light[1]}'")
    dark = colours(tab, INK)
    assert light == ["rgb(255, 255, 255)", "rgb(28, 32, 36)"]
    assert dark == ["rgb(20, 23, 26)", "rgb(231, 234, 236)"]
    tab.emulate_media(color_scheme="light")
    until(tab, f"{INK} == '{light[1]}'")


@pytest.mark.parametrize("name", ["square", "many", "search"])
def test_a_phone_shows_the_page_without_scrolling_sideways(opened, name):
    tab = opened(name)
    tab.set_viewport_size({"width": 390, "height": 844})
    until(tab, "[...document.querySelectorAll('.plot .main-svg')].every((s) => s.clientWidth < 390)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.clientWidth <= 390)")
    tab.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("width", [700, 500])
def test_wide_tables_scroll_sideways_with_their_first_column_kept_and_look_so(opened, width):
    tab = opened("square")
    tab.set_viewport_size({"width": width, "height": 900})
    box = "document.querySelector('#places .scroll')"
    assert tab.evaluate(f"{box}.scrollWidth > {box}.clientWidth")
    assert tab.evaluate(f"getComputedStyle({box}).overflowX") == "auto"
    assert tab.evaluate(f"getComputedStyle({box}).backgroundImage.split('linear-gradient').length - 1") == 4
    place = f"(cell) => cell.getBoundingClientRect().left - {box}.getBoundingClientRect().left"
    tab.evaluate(f"{box}.scrollLeft = 10000")
    for row in ("thead", "tbody"):
        first, last = f"{row} tr > :first-child", f"{row} tr > :last-child"
        assert tab.evaluate(f"({place})({box}.querySelector('{first}'))") == pytest.approx(0, abs=1)
        assert tab.evaluate(f"({place})({box}.querySelector('{last}')) < {box}.clientWidth")
    tab.evaluate(f"{box}.scrollLeft = 0")
    tab.set_viewport_size({"width": 1280, "height": 900})


def test_buttons_of_a_chart_hide_nothing_of_it_nor_of_its_heading(opened):
    tab = opened("square")
    for name in CHARTS["square"]:
        edges = tab.evaluate(
            f"""(() => {{
                const of = (part) => document.querySelector('#{name} ' + part).getBoundingClientRect();
                const range = document.createRange();
                range.selectNodeContents(document.querySelector('#{name} h3'));
                const plot = of('.plot'), bar = of('.modebar'), words = range.getBoundingClientRect();
                return [bar.bottom - plot.top, words.right - bar.left, bar.top - of('h3').top];
            }})()"""
        )
        assert edges[0] <= 1  # above the chart, whose top is its legend
        assert edges[1] <= 0  # beside the heading
        assert edges[2] >= -8  # and not over what stands above


def test_labels_on_maps_have_a_rim_of_the_paper_s_colour(opened):
    shadow = "getComputedStyle(document.querySelector('#landscape .textpoint text')).textShadow"
    sharp = re.findall(r"rgb\(255, 255, 255\) (-?1|0)px (-?1|0)px 0px", opened("square").evaluate(shadow))
    assert set(sharp) == {(x, y) for x in ("-1", "0", "1") for y in ("-1", "0", "1")} - {("0", "0")}


def test_print_is_light_and_fits_the_paper(opened):
    tab = opened("square")
    tab.emulate_media(color_scheme="dark", media="print")
    widths = "[...document.querySelectorAll('.plot .main-svg')].map((s) => s.clientWidth)"
    until(tab, f"Math.max(...{widths}) == 680")
    assert colours(tab, INK) == ["rgb(255, 255, 255)", "rgb(28, 32, 36)"]
    assert tab.evaluate("getComputedStyle(document.querySelector('.actions')).display") == "none"
    assert tab.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    tab.emulate_media(color_scheme="light", media="screen")


def test_a_hostile_name_is_harmless(opened, records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "run"
    shutil.copytree(records.line.path, folder)
    for file in ("summary.json", "config.json"):
        store.write_json(folder / file, store.read_json(folder / file) | {"name": HOSTILE})
    tab = opened("hostile", report(folder))
    assert tab.locator("h1").text_content() == HOSTILE
    assert tab.locator("b[onclick]").count() == 0
    for one in CHARTS["line"]:
        assert tab.locator(f"#{one} {MARKS}").count() > 0, one
