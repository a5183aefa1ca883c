"""Figures of barriers and slices: every pair and point is drawn where it belongs, and equal data give equal files."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection

from mnemo_jax.figures import style
from mnemo_jax.figures.barrier import barrier
from mnemo_jax.figures.slices import slice_
from mnemo_jax.networks.barriers import Barriers

pytestmark = pytest.mark.usefixtures("no_fsync")
T = np.linspace(0, 1, 21)


def ways(heights):
    """Return ways that rise as parabolas to the heights."""
    loss = np.array(heights)[:, None] * 4 * T * (1 - T)
    return Barriers(T, loss, np.array(heights), np.full(len(heights), 0.5))


def bowl(s, t):
    return s[None] ** 2 + t[:, None] ** 2


def words(figure):
    return figure.get_supxlabel().replace("\n", " ")


def test_each_way_has_a_panel_with_every_pair_and_their_median():
    figure = barrier("some", ways([1.0, 3.0, 2.0]), ways([0.5, 0.1, 0.2]), ways([0.0, 0.0, 0.1]))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "straight line\nmedian barrier 2 (1 to 3)",
        "after matching\nmedian barrier 0.2 (0.1 to 0.5)",
        "along a curve\nmedian barrier 0 (0 to 0.1)",
    ]
    for axes, median in zip(figure.axes, (2.0, 0.2, 0.0), strict=True):
        (pairs,) = (artist for artist in axes.collections if isinstance(artist, LineCollection))
        assert len(pairs.get_segments()) == 3
        (line,) = (line for line in axes.lines if line.get_gid() == "median")
        assert line.get_ydata().max() == pytest.approx(median)
        assert axes.get_ylim() == figure.axes[0].get_ylim()
    assert figure.axes[0].get_ylim()[1] > 3.0
    assert words(figure).startswith("3 pairs, each a thin line")


def test_what_is_missing_has_no_panel_and_one_pair_no_median():
    figure = barrier("one", ways([2.0]), curve=ways([1.0]))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "straight line\nbarrier 2",
        "along a curve\nbarrier 1",
    ]
    assert not any(axes.lines for axes in figure.axes)
    assert words(figure).startswith("1 pair. Barrier")
    four = barrier("four", *(ways([height, 1.0]) for height in (4.0, 3.0, 2.0, 1.0)))
    assert [axes.get_ylabel() for axes in four.axes] == ["loss", "", "loss", ""]
    assert [axes.get_xlabel() for axes in four.axes] == ["", "", "place on the way", "place on the way"]


def test_a_logarithmic_scale_of_barriers_begins_between_the_ends():
    axes = barrier("some", ways([1.0, 2.0]), log=True).axes[0]
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert 0.05 < low < 4 * T[1] * (1 - T[1]) < 2.0 < high
    nothing = Barriers(T, np.full((1, 21), np.nan), np.array([np.nan]), np.array([0.0]))
    assert barrier("none", nothing).axes[0].get_title(loc="left") == "straight line\nbarrier –"


def test_a_slice_shows_points_names_paths_and_shares():
    s, t = np.linspace(-2, 2, 31), np.linspace(-1, 1, 21)
    points = np.array([[0.0, 0.0], [1.0, 0.97], [5.0, 0.0]])
    path = np.array([[1.5, 0.5], [1.0, 0.2], [0.0, 0.0]])
    figure = slice_(
        "some", s, t, bowl(s, t), points=points, names=["a", "b", "c"], paths=[path], share=np.array([0.6, 0.15])
    )
    axes = figure.axes[0]
    (drawn,) = (artist for artist in axes.collections if artist.get_gid() == "points")
    assert isinstance(drawn, PathCollection)
    np.testing.assert_array_equal(drawn.get_offsets(), points[:2])
    labels = {text.get_text(): text for text in axes.texts}
    assert set(labels) == {"a", "b"}
    assert labels["a"].get_position()[1] > 0 > labels["b"].get_position()[1]  # below the upper edge
    (line,) = (line for line in axes.lines if line.get_gid() == "path")
    np.testing.assert_array_equal(line.get_xydata(), path)
    assert axes.get_xlabel() == "first principal component, 60 % of the variance"
    assert words(figure).startswith("1 network lies outside the window. The loss is that on the plane")
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == ["1 descent", "2 networks"]


def test_a_plain_slice_has_neither():
    s = np.linspace(-1, 1, 11)
    figure = slice_("some", s, s, bowl(s, s))
    assert figure.axes[0].get_legend() is None
    assert words(figure) == ""
    assert figure.axes[0].get_ylabel() == "along the second direction"


@pytest.mark.parametrize("powers", [0.5, 3.0, 6.0, 30.0])
def test_levels_of_a_logarithmic_scale_are_few_and_cover_the_slice(powers):
    s = np.linspace(0, 1, 41)
    loss = 10.0 ** (powers * (s[None] + s[:, None]) / 2 - 3)
    loss[0, 0] = 0.0
    figure = slice_("some", s, s, loss, log=True)
    filled = figure.axes[0].collections[0]
    levels = np.asarray(filled.norm.boundaries)
    assert (np.diff(levels) > 0).all()
    assert 3 <= len(levels) <= 30
    assert levels[0] >= max(1e-11 * loss.max(), np.quantile(loss[loss > 0], 0.004))
    assert levels[-1] <= loss.max()


def test_flat_and_broken_slices_are_drawn():
    s = np.linspace(0, 1, 5)
    for loss in (np.ones((5, 5)), np.where(bowl(s, s) > 1, np.nan, bowl(s, s)), np.full((5, 5), np.inf)):
        for log in (False, True):
            slice_("some", s, s, loss, log=log).draw_without_rendering()


def test_equal_data_give_equal_files(tmp_path):
    s = np.linspace(-1, 1, 11)
    for stem in ("a", "b"):
        style.save(barrier("some", ways([1.0, 2.0]), ways([0.5, 0.2])), tmp_path / f"barrier-{stem}")
        style.save(slice_("some", s, s, bowl(s, s), points=np.zeros((1, 2))), tmp_path / f"slice-{stem}")
    for name in ("barrier", "slice"):
        for suffix in (".svg", ".png"):
            once, again = ((tmp_path / f"{name}-{stem}{suffix}").read_bytes() for stem in ("a", "b"))
            assert once == again
            assert len(once) > 1000
