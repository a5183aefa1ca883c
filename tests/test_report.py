"""Pages: what the components of a page are made of, and what a browser makes of the page of a run and of a search."""

import json

import numpy as np
import pytest

from mnemo_jax.report import chart, page, table, theme

HOSTILE = '</script><b onclick="alert(1)">&\u2028'


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
    assert drawn().size == "height:380px"
    assert drawn(ratio=1.25).size == "aspect-ratio:0.8000"
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
