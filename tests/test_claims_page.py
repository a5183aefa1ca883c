"""The page of a set of claims: what it says of each, against the records, and what a browser makes of it."""

import csv
import io
import json
from types import SimpleNamespace

import browsing
import numpy as np
import pytest
from browsing import HOSTILE, MARKS, RAW, colours, drawn_one_by_one, hovered, saved, told_of, until

import mnemo_jax as mnemo
from mnemo_jax.claims import carry_out, estimands
from mnemo_jax.report.claims import claims_page

pytestmark = pytest.mark.usefixtures("no_fsync")

MILLION = 1_000_000
INK = "getComputedStyle(document.querySelector('#P1-forest .xtitle')).fill"
FALSE = "a square that is negative"


# ---- experiments ----


def coins(*, chance, number, seed, out):
    """Throw coins, of which every fiftieth is lost; draw all throws over a map, and the law."""
    draw, throw = np.random.default_rng(seed), np.arange(number)
    shown = mnemo.Illustration(
        title="Throws",
        caption="Every throw over a map of heights; the law is a line.",
        x="throw, in the order of throwing and after a long pause for breath",
        y="height in metres above the table on which the coins come to rest",
        series=(
            mnemo.Series(name=f"chance {chance:g}", x=throw, y=draw.random(number), kind="marks"),
            mnemo.Series(name="law, above", x=[0, number - 1], y=[0.75, 0.75], kind="law"),
            mnemo.Series(name="law", x=[0, number - 1], y=[0.5, 0.5], kind="law"),
            mnemo.Series(name="law", x=[0, number - 1], y=[0.25, 0.25], kind="law"),
        ),
        heat=mnemo.Heat(x=[0, number / 2, number], y=[0, 0.5, 1], z=np.arange(9).reshape(3, 3) / 3, name="height in m"),
    )
    sides = mnemo.Illustration(
        title="Sides",
        caption="Which side is up.",
        x="throw",
        y="coin",
        heat=mnemo.Heat(x=[0, 1, 2], y=[0, 1], z=np.array([[0, 1, np.nan], [1, 1, 0]]), words=("heads", "tails")),
    )
    valid = throw % 50 > 0
    return mnemo.Measurement(value=draw.random(number) < chance, valid=valid, illustrations=(shown, sides))


def waits(*, factor, number, seed, out):
    """Wait in two arms, at most for 30."""
    time, other = np.random.default_rng(seed).exponential(10, (2, number)) * [[factor], [1]]
    ended = {"ended": time < 30, "other_ended": other < 30}
    return mnemo.Measurement(value=np.minimum(time, 30), other=np.minimum(other, 30), **ended)


def heights(*, number, seed, out):
    """Return very many heights, and a dozen curves of as many points as are kept."""
    value = np.random.default_rng(seed).normal(1, 1, number)
    series = [mnemo.Series(name=f"curve {k}", x=np.arange(number), y=value + k) for k in range(12)]
    shown = mnemo.Illustration(title="Walks", caption="Twelve.", x="step", y="height in m", series=tuple(series))
    return mnemo.Measurement(value=value, illustrations=(shown,))


def squares(*, number, seed, out):
    return mnemo.Measurement(value=[True, False], case=["a square that is not", FALSE])


CLAIMS = {
    "P1": f"""
title = "Coins"
says = "Coins show heads."
sentence = "Coins show heads more often than not."
experiment = "{__name__}:coins"
estimand = "share"
measure = "share of throws that show heads, of all throws that were made with a coin"
direction = "above"
threshold = 0.5
sizes = {{ smoke = {{ number = 400 }} }}
[[regimes]]
name = "bent"
args = {{ chance = 0.8 }}
[[regimes]]
name = "bent the other way, as coins are that were sat upon for a long time"
args = {{ chance = 0.2 }}
[[regimes]]
name = "straight"
args = {{ chance = 0.5 }}
direction = "inside"
margin = [0.3, 0.7]
[[controls]]
name = "a coin of two heads"
args = {{ chance = 1.0 }}
expected = 0.98
tolerance = 0.05
[[corrected]]
verdict = "holds in some regimes"
sentence = "Coins show heads where they are bent that way."
""",
    "P2": f"""
title = {json.dumps(HOSTILE)}
says = "A coin of two heads shows tails."
sentence = "It shows tails."
experiment = "{__name__}:coins"
estimand = "share"
measure = "share of throws"
direction = "inside"
margin = [0.1, 0.3]
sizes = {{ smoke = {{ number = 100 }} }}
[[regimes]]
name = {json.dumps(HOSTILE)}
args = {{ chance = 0.8 }}
[[controls]]
name = "a coin of two heads"
args = {{ chance = 1.0 }}
expected = 0.0
""",
    "P3": f"""
title = "Waiting"
says = "Buses come sooner than trams."
sentence = "Buses come in less than 0.9 of the time of trams."
experiment = "{__name__}:waits"
estimand = "ratio"
measure = "time for a bus over time for a tram"
direction = "below"
threshold = 0.9
sizes = {{ smoke = {{ number = 300 }} }}
arms = {{ treatment = "bus", control = "tram" }}
pairing = "the hour"
[[regimes]]
name = "in the morning"
args = {{ factor = 0.5 }}
""",
    "P4": f"""
title = "Heights"
says = "Heights are positive."
sentence = "The mean height is above 0."
experiment = "{__name__}:heights"
estimand = "mean"
measure = "mean height in m"
direction = "above"
threshold = 0.0
sizes = {{ smoke = {{ number = {MILLION} }} }}
[[regimes]]
name = "all"
""",
    "P5": f"""
title = "Squares"
says = "Squares are negative."
sentence = "Every square is negative."
experiment = "{__name__}:squares"
estimand = "all"
measure = "statements that are true, of all"
direction = "true"
sizes = {{ smoke = {{ number = 2 }} }}
[[regimes]]
name = "two squares"
""",
    "P6": f"""
title = "Not run"
says = "Some are left out."
sentence = "This one is left out."
experiment = "{__name__}:squares"
estimand = "all"
measure = "statements"
direction = "true"
sizes = {{ smoke = {{ number = 2 }} }}
[[regimes]]
name = "none"
""",
}
SET = """
name = "page"
title = "A page of claims"
about = "About coins."
comparisons = 6
[[text]]
says = "Coins show heads, and buses come soon."
claims = ["P1", "P3"]
[[text]]
says = "A coin has two sides."
reason = "a definition"
[[text]]
says = "Some are left out."
claims = ["P6"]
reason = "the rest is advice"
"""
CHARTS = {
    "P1": {"forest", "shown-throws", "shown-sides", "threshold"},
    "P2": {"forest", "shown-throws", "shown-sides", "threshold"},
    "P3": {"forest", "runs", "threshold"},
    "P4": {"forest", "shown-walks", "runs", "threshold"},
    "P5": set(),
    "P6": set(),
}
NAMES = [f"{claim}-{name}" for claim, names in CHARTS.items() for name in sorted(names)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Carry out all claims but the last; return what is known of them by id, their records and their page."""
    folder, out = tmp_path_factory.mktemp("claims"), tmp_path_factory.mktemp("runs")
    (folder / "set.toml").write_text(SET)
    for number, (name, claim) in enumerate(CLAIMS.items()):
        (folder / f"{name}.toml").write_text(f'id = "{name}"\nseed = {10_000 + number}\n{claim}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimands, "FEWER", 20)
        own, told, home = carry_out.carry_out(folder, out, "smoke", only=list(CLAIMS)[:-1])
    words, _ = carry_out.write(own, told, home)
    page = home / "report.html"
    page.write_text(claims_page(own, told, "smoke"))
    records = {one["id"]: one for one in words["claims"]}
    return SimpleNamespace(own=own, told={one.claim.id: one for one in told}, records=records, page=page)


# ---- what the page says ----


def test_equal_evidence_gives_equal_bytes(made):
    again = claims_page(made.own, list(made.told.values()), "smoke")
    assert again.encode() == made.page.read_bytes()


def test_verdicts_are_as_these_claims_were_made_to_have(made):
    assert [one["verdict"] for one in made.records.values()] == [
        "holds in some regimes",
        "invalid",
        "holds",
        "holds",
        "does not hold as stated",
        None,
    ]


def test_every_claim_has_its_charts(made):
    assert set(told_of(made.page)) == set(NAMES)


def test_however_many_runs_there_are_few_points_are_drawn_one_by_one(made):
    told = told_of(made.page)
    assert drawn_one_by_one(told) <= RAW
    assert len(made.told["P4"].regimes[0].kept.rows) == MILLION
    (curve,) = told["P4-runs"]["data"]
    assert len(curve["x"]) == 200
    assert "1,000,000 runs in all" in made.page.read_text()
    assert sum(len(trace["x"]) for trace in told["P4-shown-walks"]["data"]) > RAW / 2


def test_a_page_of_few_points_shows_all_of_them(made):
    told = told_of(made.page)["P1-shown-throws"]
    throws = [trace for trace in told["data"] if trace.get("name", "").startswith("chance")]
    assert [len(trace["x"]) for trace in throws] == [400] * 4


def test_the_distribution_of_many_runs_is_theirs(made):
    (curve,) = told_of(made.page)["P4-runs"]["data"]
    rows = np.sort(made.told["P4"].regimes[0].kept.rows.value)
    below = np.searchsorted(rows, curve["x"], side="right") / MILLION
    np.testing.assert_allclose(below, curve["y"], atol=1e-5)  # both are rounded to six digits


def test_a_distribution_ends_where_times_are_censored(made):
    bus, tram = told_of(made.page)["P3-runs"]["data"]
    rows = made.told["P3"].regimes[0].kept.rows
    for curve, ended in ((bus, rows.ended), (tram, rows.other_ended)):
        assert curve["y"][-1] == pytest.approx(ended.mean())
        assert max(curve["x"]) < 30


def test_both_sides_of_a_law_have_one_line_of_the_legend_and_laws_differ(made):
    traces = [one for one in told_of(made.page)["P1-shown-throws"]["data"] if one.get("name", "").startswith("law")]
    assert [one["showlegend"] for one in traces] == [True, True, False]
    assert len({one["line"]["dash"] for one in traces}) == 2


# ---- in a browser ----


@pytest.fixture(scope="module")
def tab(made):
    with browsing.started() as browser, browsing.tabs(browser) as tab_of:
        yield tab_of(made.page)


def cells(tab, name):
    """Return the cells of a table by column."""
    words = tab.evaluate(
        f"[...document.querySelector('[data-table=\"{name}\"]').rows].map((r) => [...r.cells].map((c) => c.innerText))"
    )
    head, *rows = [[cell.replace("\u00a0", " ").strip(" ↕↑↓") for cell in row] for row in words]
    return dict(zip(head, map(list, zip(*rows, strict=True)), strict=True))


def section(tab, claim):
    return tab.locator(f"section[aria-labelledby={claim}]")


def test_every_chart_is_drawn_and_told_in_words(tab):
    for name in NAMES:
        assert tab.locator(f"#{name} {MARKS}").count() > 0, name
        assert tab.locator(f"#{name} .plot[role=img]").get_attribute("aria-labelledby")
        assert len(tab.locator(f"#{name}-alt").inner_text()) > 10
    assert tab.locator(".plot .main-svg").count() > 0
    assert tab.locator("b[onclick]").count() == 0
    assert tab.locator("#P2").text_content() == f"P2. {HOSTILE}"


def test_headings_are_in_order_and_every_id_is_there_once(tab):
    levels = tab.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id) => !id.startsWith('g'))")
    assert len(ids) == len(set(ids))
    named = tab.evaluate("[...document.querySelectorAll('a')].map((a) => a.hash.slice(1))")
    assert set(named) <= set(ids)


def test_the_front_table_has_a_row_for_each_claim(tab, made):
    table = cells(tab, "verdicts")
    assert table["claim"] == list(made.records)
    assert table["verdict"] == [one["verdict"] or "not decided" for one in made.records.values()]
    assert table["tested sentence"] == [one["sentence"] for one in made.records.values()]
    assert [int(cell.replace(",", "")) for cell in table["runs"]] == [one["n"] for one in made.records.values()]
    assert table["regimes"] == ["+ − =", "−", "+", "+", "−", ""]
    assert table["fixed as"] == [one["hash"][:8] for one in made.records.values()]


def test_the_front_table_is_sorted_by_mouse_and_by_keyboard(tab, made):
    heads = tab.locator("#verdicts th button")
    names = [name.strip(" ↕↑↓\u00a0") for name in heads.all_inner_texts()]
    runs = heads.nth(names.index("runs"))
    runs.click()
    counts = sorted((one["n"] for one in made.records.values()), reverse=True)
    assert cells(tab, "verdicts")["runs"] == [f"{count:,}" for count in counts]
    runs.focus()
    tab.keyboard.press("Enter")
    assert cells(tab, "verdicts")["runs"] == [f"{count:,}" for count in reversed(counts)]
    assert "Sorted by runs" in tab.locator("#said").inner_text()
    heads.first.focus()
    tab.keyboard.press("Space")
    assert cells(tab, "verdicts")["claim"] == list(made.records)


def test_a_section_says_what_was_tested_found_and_fixed(tab, made):
    words = section(tab, "P1").text_content().replace("\u00a0", " ")
    assert made.records["P1"]["corrected"] in words
    assert made.records["P1"]["hash"] in words
    assert "Coins show heads more often than not." in words
    assert "Regimes with a rule of their own keep it." in words
    assert "bus against tram" in section(tab, "P3").text_content()
    assert "and its known answer" in section(tab, "P2").text_content()
    assert "not run yet" in section(tab, "P6").text_content()


def test_failed_and_censored_runs_are_counted(tab, made):
    table = cells(tab, "P1-regimes")
    assert table["runs"] == ["400"] * 3
    assert table["failed"] == ["8 (2.00 %)"] * 3
    assert "censored" not in table
    table, rows = cells(tab, "P3-regimes"), made.told["P3"].regimes[0].kept.rows
    assert table["failed"] == ["0"]
    assert table["censored"] == [str(np.sum(~(rows.ended & rows.other_ended)))]


def test_a_counterexample_comes_first(tab):
    table = cells(tab, "P5-cases")
    assert table["case"][0] == FALSE
    assert table["result"] == ["false", "true"]


def test_the_text_is_corrected_sentence_by_sentence(tab, made):
    said = [one.replace("\u00a0", " ") for one in tab.locator("ol.text > li").all_text_contents()]
    for name in ("P1", "P3"):
        assert f"{name}, {made.records[name]['verdict']}: {made.records[name]['corrected']}" in said[0]
    assert "Not tested: a definition" in said[1]
    assert "P6, not decided: not run yet" in said[2]
    assert "Not tested: the rest is advice" in said[2]


def test_a_regime_tells_its_estimate_where_it_is_hovered_over(tab):
    assert hovered(tab, "P3-forest").startswith("in the morning: 0.")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_numbers_of_a_forest_are_those_of_the_record(tab, made):
    name, text = saved(tab, "#P1-forest [data-csv]")
    rows, record = rows_of(text), made.records["P1"]
    assert name == "page-smoke-P1-forest.csv"
    for row, one in zip(rows, [*record["regimes"], *record["controls"]], strict=True):
        assert float(row["estimate"]) == one["estimate"]
        assert [float(row["low"]), float(row["high"])] == list(one["interval"])
    assert [row["result"] for row in rows] == ["supported", "contradicted", "equivalent", "passed"]


def test_numbers_of_the_curve_of_verdicts_are_those_of_the_record(tab, made):
    rows = rows_of(saved(tab, "#P1-threshold [data-csv]")[1])
    told = [{"from": float(row["from"]), "to": float(row["to"]), "verdict": row["verdict"]} for row in rows]
    assert told == made.records["P1"]["sensitivity"]
    assert len(told) > 1


def test_numbers_of_illustrations_are_those_of_the_experiment(tab, made):
    (_, sides), (walks,) = (made.told[name].regimes[0].kept.illustrations for name in ("P1", "P4"))
    corner, *rows = csv.reader(io.StringIO(saved(tab, "#P1-shown-sides [data-csv]")[1]))
    assert corner == ["coin \\ throw", "0", "1", "2"]
    assert rows == [["0", "heads", "tails", ""], ["1", "tails", "tails", "heads"]]
    assert sides.heat.z == [[0, 1, None], [1, 1, 0]]
    rows = rows_of(saved(tab, "#P4-shown-walks [data-csv]")[1])
    first = [float(row["y"]) for row in rows if row["series"] == "curve 0"]
    kept = walks.series[0].y
    assert first == kept[:: -(-len(kept) // len(first))]
    assert "points of a series are shown" in tab.locator("#P4-shown-walks figcaption").inner_text()


def test_rows_of_the_front_table_are_saved(tab, made):
    name, text = saved(tab, "#verdicts [data-rows]")
    assert name == "page-smoke-verdicts.csv"
    assert [row["claim"] for row in rows_of(text)] == list(made.records)
    assert [int(row["runs"]) for row in rows_of(text)] == [one["n"] for one in made.records.values()]


def test_dark_changes_page_and_charts_and_back(tab):
    light = colours(tab, INK)
    tab.emulate_media(color_scheme="dark")
    until(tab, f"{INK} != '{light[1]}'")
    assert light == ["rgb(255, 255, 255)", "rgb(28, 32, 36)"]
    assert colours(tab, INK) == ["rgb(20, 23, 26)", "rgb(231, 234, 236)"]
    tab.emulate_media(color_scheme="light")
    until(tab, f"{INK} == '{light[1]}'")


CUT = """[...document.querySelectorAll('.plot')].flatMap((plot) => {
  const all = plot.getBoundingClientRect();
  return [...plot.querySelectorAll('.xtitle, .ytitle, .xtick text, .ytick text, .legendtext')].filter((text) => {
    const own = text.getBoundingClientRect();
    return own.left < all.left - 1 || own.right > all.right + 1 || own.top < all.top - 1 || own.bottom > all.bottom + 1;
  }).map((text) => text.textContent);
})"""


def test_a_phone_shows_the_page_without_scrolling_sideways_and_cuts_no_words(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    until(tab, "[...document.querySelectorAll('.plot .main-svg')].every((s) => s.clientWidth < 390)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.clientWidth <= 390)")
    assert tab.evaluate(CUT) == []
    tab.set_viewport_size({"width": 1280, "height": 900})
    until(tab, "[...document.querySelectorAll('.plot .main-svg')].every((s) => s.clientWidth > 390)")
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert tab.evaluate(CUT) == []


def test_print_is_light_and_fits_the_paper(tab):
    tab.emulate_media(color_scheme="dark", media="print")
    widths = "[...document.querySelectorAll('.plot .main-svg')].map((s) => s.clientWidth)"
    until(tab, f"Math.max(...{widths}) == 680")
    assert colours(tab, INK) == ["rgb(255, 255, 255)", "rgb(28, 32, 36)"]
    assert tab.evaluate("getComputedStyle(document.querySelector('.actions')).display") == "none"
    assert tab.evaluate("[...document.querySelectorAll('table')].map((t) => t.offsetWidth).every((w) => w <= 680)")
    assert tab.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    tab.emulate_media(color_scheme="light", media="screen")
