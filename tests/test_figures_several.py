"""Figures of sweeps and comparisons: what they say of lines that coincide, columns, colours and panels."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import mnemo_jax as mnemo
from mnemo_jax.figures import colours, faithfulness, sweep

pytestmark = pytest.mark.usefixtures("no_fsync")

RATES = [0.01, 0.1, 0.2]


def minimum(share, rate, half):
    return {"share": share, "interval": [share - half, share + half], "critical_learning_rate": rate}


def swept(rates=(0.15, 0.15), half=1e-4, key="optimizer.learning_rate"):
    """Return what is told of a sweep in which two minima have equal shares throughout."""
    cells = [
        {
            "values": {key: value},
            "outcomes": {"converged": 800, "escaped": 200},
            "periods": {},
            "minima": [minimum(0.4, rate, half) for rate in rates],
        }
        for value in RATES
    ]
    return {"name": "twins", "axes": {key: RATES}, "branches": 2, "cells": cells}


def test_lines_that_coincide_differ_in_dashes_and_markers():
    axes = sweep.shares(swept()).axes[0]
    lines = [line for line in axes.lines if line.get_label().startswith("minimum")]
    assert [line.is_dashed() for line in lines] == [False, True]
    assert len({line.get_marker() for line in lines}) == 2
    assert lines[1].get_markersize() < lines[0].get_markersize()  # it lies on top
    assert len({str(look) for look in sweep.MINIMA}) == len({marker for _, marker in sweep.MINIMA}) == sweep.TOP
    assert axes.yaxis.get_major_formatter()(0.4) == "40 %"


def test_rates_of_stability_are_explained_and_grey_where_several_minima_have_them():
    for rates, drawn in (((0.15, 0.15), [sweep.QUIET]), ((0.15, 0.05), list(colours.HUES[:2])), ((0.5, None), [])):
        axes = sweep.shares(swept(rates)).axes[0]
        assert [line.get_color() for line in axes.lines if line.get_gid() == "stable"] == drawn
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names.count(sweep.STABLE) == bool(drawn)
    other = sweep.shares(swept(key="optimizer.momentum")).axes[0]
    assert not [line for line in other.lines if line.get_gid() == "stable"]


@pytest.mark.parametrize(("half", "narrow"), [(1e-4, True), (0.1, False)])
def test_bands_that_cannot_be_seen_are_said_to_be_narrow(half, narrow):
    note = sweep.shares(swept(half=half)).get_supxlabel().replace("\n", " ")
    assert ("Wilson intervals, narrower than the lines." in note) == narrow
    assert "95 % Wilson intervals" in note


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Return what is told of a comparison of Himmelblau's flow, here gradient descent, with a heavy ball."""
    out = tmp_path_factory.mktemp("runs")
    flow, heavy = (
        mnemo.survey("himmelblau", starts=2000, optimizer=optimizer, devices=1, out=out)
        for optimizer in ("sgd", {"name": "sgd", "momentum": 0.9, "learning_rate": 0.01})
    )
    minima = flow.catalogue.x[flow.catalogue.kind == 0]

    def branches(record):
        gap = np.linalg.norm(record.catalogue.x[:, None] - minima, axis=2)
        return np.where(gap.min(axis=1) < 1e-3, gap.argmin(axis=1), -1).tolist()

    arm = {
        "name": "heavy ball", "record": Path(heavy.path).name, "branch_of_label": branches(heavy), "differ": 0.2,
        "differ_interval": [0.18, 0.22], "undecided": 0.0, "undecided_interval": [0.0, 0.001], "mean_gradients": 321.0,
    }  # fmt: skip
    told = {
        "name": "two", "folder": str(out), "starts": 2000, "minima": minima.tolist(),
        "flow": {
            "record": Path(flow.path).name, "branch_of_label": branches(flow), "mean_gradients": 700.0,
            "confirmed": {"rtol": 1e-12, "starts": 10, "differ": 0},
        },
    }  # fmt: skip
    return told | {"optimizers": [arm, arm | {"name": "again"}]}


def test_columns_beside_costs_have_headings(compared):
    axes = faithfulness.costs(compared).axes[0]
    written = {text.get_text(): text for text in axes.texts}
    for heading, cell in (("share", "20 %"), ("gradients", "321")):
        assert written[heading].get_position()[0] == written[cell].get_position()[0]
        assert written[heading].get_position()[1] < 0  # above the first row, as the axis points down


@pytest.mark.parametrize("arms", [1, 2, 3])
def test_maps_name_axes_and_colours_and_leave_no_panel_without_use(compared, arms):
    told = compared | {"optimizers": [*compared["optimizers"], *compared["optimizers"]][:arms]}
    figure = faithfulness.maps(told)
    maps = [axes for axes in figure.axes if axes.images]
    assert len(maps) == arms + 1
    left = [axes for axes in maps if axes.get_subplotspec().colspan.start == 0]
    assert {axes.get_ylabel() for axes in left} == {"$x_2$"}
    for axes in maps:
        place = axes.get_subplotspec()
        below = any(
            other.get_subplotspec().colspan.start == place.colspan.start
            and other.get_subplotspec().rowspan.start > place.rowspan.start
            for other in maps
        )
        assert axes.get_xlabel() == ("" if below else "$x_1$")
    assert not any(axes.axison for axes in figure.axes if not axes.images)
    (legend,) = (axes.get_legend() for axes in figure.axes if axes.get_legend())
    patches = {text.get_text(): patch for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)}
    assert len(patches) == len(compared["minima"]) + 2
    pixels = maps[0].images[0].get_array().reshape(-1, 3)
    shown = {tuple(np.round(colour, 6)) for colour in np.unique(pixels, axis=0)}
    assert shown <= {tuple(np.round(patch.get_facecolor()[:3], 6)) for patch in patches.values()}
    x, y = compared["minima"][0]
    assert f"0 at ({x:.3g}, {y:.3g})".replace("-", "−") in patches


def test_hues_of_many_minima_are_named_together(compared):
    told = compared | {"minima": [[float(k), 0.0] for k in range(9)]}
    assert [key.get_label() for key in faithfulness._keys(told)][:3] == ["0, 7", "1, 8", "2 at (2, 0)"]
    assert faithfulness._keys(told)[0].get_facecolor()[:3] == pytest.approx(
        tuple(0.55 + 0.45 * part for part in to_rgb(colours.HUES[0]))
    )
