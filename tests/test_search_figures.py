"""Figures of a search: which apply, what they show, and in which order minima are joined."""

from dataclasses import replace

import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

import mnemo_jax as mnemo
from mnemo_jax import losses
from mnemo_jax.cli import app
from mnemo_jax.figures import SEARCH_FIGURES, draw_search, fewer, graph, index, merging, points, spectra, tree
from mnemo_jax.figures.merging import Ways
from mnemo_jax.landscape import Landscape

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("searches")


@pytest.fixture(scope="module")
def line(out):
    return mnemo.find_critical_points(losses.build("double_well", {"tilt": 0.5}), out=out)


@pytest.fixture(scope="module")
def bowl(out):
    return mnemo.find_critical_points("parabola", out=out)


@pytest.fixture(scope="module")
def square(out):
    return mnemo.find_critical_points("himmelblau", out=out)


@pytest.fixture(scope="module")
def half(out):
    """Himmelblau's loss over a box that two of its four minima are outside of."""
    landscape = replace(losses.build("himmelblau"), lower=(-1.0, -5.0))
    return mnemo.find_critical_points(landscape, out=out)


@pytest.fixture(scope="module")
def cube(out):
    landscape = Landscape(
        loss=lambda x: jnp.sum(x**4 - 4 * x**2 + 1), dim=3, lower=(-3.0,), upper=(3.0,), name="double_wells"
    )
    return mnemo.find_critical_points(landscape, out=out)


def drawn(found):
    return {name for name, figure in SEARCH_FIGURES.items() if figure(found) is not None}


def note(figure):
    return figure.get_supxlabel().replace("\n", " ")


def marked(figure, gid):
    """Return the places of all markers of a figure with this ``gid``."""
    axes = figure.axes[0]
    lines = [np.array(drawn.get_xydata()) for drawn in axes.lines if drawn.get_gid() == gid]
    return np.concatenate(lines + [np.array(c.get_offsets()) for c in axes.collections if c.get_gid() == gid])


def test_which_figures_apply(line, bowl, square, cube):
    assert drawn(line) == {"points", "index", "spectra"}  # what parts minima of one variable is a maximum
    assert drawn(bowl) == {"points", "spectra"}
    assert drawn(square) == {"points", "index", "spectra", "tree"}  # the map shows the pathways
    assert drawn(cube) == {"index", "spectra", "tree", "pathways"}


def test_an_inflection_of_one_variable_is_no_saddle(out):
    cubic = Landscape(loss=lambda x: 3 * x[0] ** 4 - 4 * x[0] ** 3, dim=1, lower=-1.0, upper=1.6, name="cubic")
    found = mnemo.find_critical_points(cubic, out=out)
    for name in ("points", "index", "spectra"):
        told = [text.get_text() for text in SEARCH_FIGURES[name](found).axes[0].get_legend().get_texts()]
        assert any("inflection" in text for text in told), name
        assert not any("saddle" in text for text in told), name


def test_both_formats_are_written_and_show_something(square, tmp_path):
    written = draw_search(square, tmp_path)
    assert {path.suffix for path in written} == {".svg", ".png"}
    assert {path.stem for path in written} == drawn(square)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert all(matplotlib.image.imread(path)[..., :3].std() > 0.02 for path in written if path.suffix == ".png")


def test_the_command_draws_a_search(bowl):
    result = CliRunner().invoke(app, ["figures", str(bowl.path)])
    assert result.exit_code == 0, result.output
    assert result.output.split() == [str(path) for path in draw_search(bowl)]
    assert str(bowl.path / "figures" / "points.png") in result.output.split()


def test_points_outside_the_box_are_left_out_and_told(half):
    inside, kinds = half.inside_box, half.catalogue.kind
    assert np.sum(~inside) > 0
    figure = points.points(half)
    assert len(marked(figure, "critical points: minimum")) == np.sum(inside & (kinds == 0)) == 2
    assert f"{np.sum(inside)} critical points in the box. {np.sum(~inside)} outside" in note(figure)
    assert merging.tree_of(half).leaves.tolist() == merging.minima_of(half).tolist()


def test_the_heights_of_himmelblau_s_tree_are_its_saddles(square):
    joined = merging.tree_of(square)
    assert len(joined.roots) == 1
    # The minima are zero; the saddles of the literature are at 13.31, 67.72, 104.02 and 178.34, the last of them spare.
    np.testing.assert_allclose(joined.loss[:4], 0.0, atol=1e-9)
    np.testing.assert_allclose(joined.loss[4:], [13.312, 67.719, 104.015], atol=1e-3)


def ways_of(ways, loss):
    saddle, minima = np.array([way[0] for way in ways]), np.array([way[1:] for way in ways])
    return Ways(saddle, minima, np.array(loss)[saddle])


def hand_made(ways, loss, leaves):
    return merging.tree(np.array(leaves), np.array(loss), ways_of(ways, loss))


#  rows 0 to 4 are minima, 5 to 9 saddles
LOSS = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_tree_of_known_heights():
    joined = hand_made([(8, 0, 2), (5, 2, 3), (6, 1, 0), (7, 0, 1), (9, 1, 3)], LOSS, range(5))
    assert joined.loss.tolist() == [0, 1, 2, 3, 4, 5, 6, 8]  # 7 and 9 join what is joined already
    assert joined.children.tolist() == [[2, 3], [0, 1], [6, 5]]
    assert joined.roots.tolist() == [7, 4]  # nothing joins the last minimum
    assert joined.place.tolist() == [0, 1, 2, 3, 4, 2.5, 0.5, 1.5]


def test_branches_do_not_cross():
    joined = hand_made([(5, 0, 3), (6, 1, 2), (7, 2, 3)], LOSS, range(4))
    assert joined.place[:4].tolist() == [0, 2, 3, 1]
    lines = tree.branches(joined, 10.0)
    assert [line[:, 1].max() for line in lines] == [5, 6, 7, 10]
    np.testing.assert_array_equal(lines[0], [[0, 0], [0, 5], [1, 5], [1, 3]])


def test_the_order_of_pathways_in_the_table_does_not_matter():
    ways = [(8, 0, 2), (5, 2, 3), (6, 1, 0), (7, 0, 1), (9, 1, 3)]
    draw = np.random.default_rng(0)
    trees = [hand_made([ways[k] for k in draw.permutation(5)], LOSS, range(5)) for _ in range(5)]
    for column in zip(*trees, strict=True):
        assert all(np.array_equal(column[0], other) for other in column)


def test_a_way_over_a_minimum_outside_joins_and_a_side_without_a_minimum_does_not():
    joined = hand_made([(5, 0, 1), (6, 1, 2), (7, 3, -1)], LOSS, [0, 2, 3])  # minimum 1 is outside the box
    assert joined.loss.tolist() == [0, 2, 3, 6]
    assert joined.children.tolist() == [[0, 1]]
    assert joined.roots.tolist() == [3, 2]


def test_joinings_at_one_level_lie_amid_their_branches():
    """Five minima under saddles of one height: the last joining is the middle of all of them."""
    joined = hand_made([(5, 0, 1), (6, 1, 2), (7, 2, 3), (8, 3, 4)], [0.0] * 5 + [1.0] * 4, range(5))
    assert joined.place.tolist() == [0, 1, 2, 3, 4, 0.5, 1, 1.5, 2]


def test_of_alike_branches_the_second_stands_for_the_rest():
    fan = hand_made([(5, 0, 1), (6, 1, 2), (7, 2, 3), (8, 3, 4)], [0.0] * 5 + [1.0] * 4, range(5))
    assert fewer.standing(fan).tolist() == [1, 4, 0, 0, 0]
    # four pairs joined at 1, all of them at 2: of eight minima four are drawn, those of the second pair three times
    pairs = [(8 + k, 2 * k, 2 * k + 1) for k in range(4)] + [(12, 1, 2), (13, 3, 4), (14, 5, 6)]
    tall = hand_made(pairs, [0.0] * 8 + [1.0] * 4 + [2.0] * 3, range(8))
    assert fewer.standing(tall).tolist() == [1, 1, 3, 3, 0, 0, 0, 0]
    differ = hand_made([(5, 0, 1), (6, 1, 2), (7, 2, 3), (8, 3, 4)], LOSS, range(5))
    assert fewer.standing(differ).tolist() == [1] * 5


def test_of_different_feet_the_lowest_are_drawn():
    ways = [(5, 0, 3), (6, 1, 2), (7, 2, 3), (8, 1, 4)]
    whole = hand_made(ways, LOSS, range(5))
    assert fewer.feet(whole, np.array(LOSS), ways_of(ways, LOSS), 5).tree is whole
    drawn = fewer.feet(whole, np.array(LOSS), ways_of(ways, LOSS), 2)
    assert drawn.tree.leaves.tolist() == [0, 1]
    assert drawn.tree.loss.tolist() == [0, 1, 7]  # over the minima that are left out
    assert drawn.more.tolist() == [0, 0]


def test_minima_are_alike_that_have_alike_neighbours():
    """Of five equal minima in a row the ends are alike, their neighbours too; in a ring all are."""
    loss = np.array([0.0] * 5 + [1.0] * 5)
    row = [(5, 0, 1), (6, 1, 2), (7, 2, 3), (8, 3, 4)]
    found = fewer.groups(np.arange(5), loss, ways_of(row, loss), 4)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.members.tolist() == [2, 2, 1]
    assert found.ways.minima.tolist() == [[0, 1], [1, 2]]
    assert found.saddles.tolist() == [2, 2]
    ring = fewer.groups(np.arange(5), loss, ways_of([*row, (9, 4, 0)], loss), 4)
    assert [column.tolist() for column in (ring.rows, ring.members, ring.ways.minima, ring.saddles)] == [
        [0], [5], [[0, 0]], [5],
    ]  # fmt: skip
    apart = fewer.groups(np.arange(5), loss, ways_of(row, loss), 5)
    assert apart.members.tolist() == [1] * 5, "few are shown one by one"


def test_a_way_is_lowest_where_no_lower_one_leads_round():
    ways = ways_of([(5, 0, 1), (6, 1, 2), (7, 0, 2), (8, 2, 3), (9, 3, 4)], LOSS)
    assert fewer.groups(np.arange(5), np.array(LOSS), ways, 5).lowest.tolist() == [True, False, True, True, True]
    equal = [0.0] * 5 + [1.0] * 5
    ways = ways_of([(5, 0, 1), (6, 1, 2), (7, 0, 2), (8, 2, 3), (9, 3, 4)], equal)
    assert fewer.groups(np.arange(5), np.array(equal), ways, 5).lowest.all(), "each of equal ones is"
    kept = fewer.cut(fewer.groups(np.arange(5), np.array(LOSS), ways, 5), 3)
    assert kept.ways.minima.tolist() == [[0, 1], [0, 2], [1, 2]]


def test_no_minima_and_no_pathways_make_an_empty_tree():
    joined = merging.tree(np.empty(0, int), np.empty(0), Ways(np.empty(0, int), np.empty((0, 2), int), np.empty(0)))
    assert [len(column) for column in joined] == [0, 0, 0, 0, 0]


def test_minima_of_the_tree_are_drawn_at_their_loss(cube):
    figure = tree.tree(cube)
    np.testing.assert_allclose(marked(figure, "minima"), [[k, -9.0] for k in range(8)], atol=1e-9)
    assert "8 minima as feet, joined at 7 saddles" in note(figure)


def test_every_edge_of_a_cube_is_drawn_over_its_saddle(cube):
    figure = graph.pathways(cube)
    (edges,) = (c for c in figure.axes[0].collections if c.get_gid() == "edges")
    ends = [line[[0, 2], 0].round() for line in edges.get_segments()]
    assert len({tuple(sorted(pair)) for pair in ends}) == 12
    for line in edges.get_segments():
        np.testing.assert_allclose(line[:, 1], [-9.0, -5.0, -9.0], atol=1e-9)
    assert "4 for all" in note(figure)
    assert len(figure.axes) == 1  # a bar of one colour tells nothing


def test_many_equal_minima_are_few_marks(cube, monkeypatch):
    for module in (tree, graph):
        monkeypatch.setattr(module, "MOST", 4)
    figure = tree.tree(cube)
    np.testing.assert_allclose(marked(figure, "minima"), [[0, -9.0], [1, -9.0]], atol=1e-9)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "1\n+6"]
    assert "8 minima as feet, joined at 7 saddles of index 1. Of branches that are alike two" in note(figure)
    figure = graph.pathways(cube)
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["×12", "×8"]
    (edges,) = (c for c in figure.axes[0].collections if c.get_gid() == "edges")
    (loop,) = edges.get_segments()
    np.testing.assert_allclose([loop[0], loop[-1]], [[0.0, -9.0]] * 2, atol=1e-9)
    assert loop[:, 1].max() == pytest.approx(-5.0)
    assert "8 minima and 12 saddles of index 1 that join two of them. Minima alike" in note(figure)


def test_of_many_minima_the_lowest_are_shown_and_counted(square, monkeypatch):
    monkeypatch.setattr(graph, "FEW", 0)  # as if no map showed them
    assert "Grey: a lower way leads round." in note(graph.pathways(square))
    for module in (tree, graph):
        monkeypatch.setattr(module, "MOST", 3)
    figure = tree.tree(square)
    assert len(marked(figure, "minima")) == 3
    assert "The lowest 3 of 4 minima as feet" in note(figure)
    figure = graph.pathways(square)
    assert len(marked(figure, "minima")) == 3
    assert "The lowest 3 of 4 minima, and those 2 of 4 saddles of index 1 that join two" in note(figure)


def test_parts_that_nothing_joins_are_told(cube, monkeypatch):
    ways = merging.ways_of(cube)
    monkeypatch.setattr(merging, "ways_of", lambda found: Ways(*(column[:1] for column in ways)))
    figure = tree.tree(cube)
    assert "No listed saddle joins the 7 separate parts" in note(figure)
    monkeypatch.setattr(merging, "ways_of", lambda found: Ways(*(column[:0] for column in ways)))
    assert tree.tree(cube) is None


def test_sums_of_double_wells_rise_with_their_index(cube):
    figure = index.index(cube)
    # A point with k of its coordinates at zero has index k and loss -9 + 4 k.
    shown = np.concatenate([marked(figure, f"points: {kind}") for kind in ("minimum", "saddle", "maximum")])
    np.testing.assert_allclose(shown[:, 0], -9 + 12 * shown[:, 1], atol=1e-6)
    assert len(shown) == 27
    assert "Spearman correlation 1, 27 points" in note(figure)


def test_correlation_is_left_out_where_it_means_nothing():
    assert np.isnan(index.correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(index.correlation(np.arange(2.0), np.arange(2.0)))
    assert index.correlation(np.array([0.0, 1.0, 1.0 + 1e-13, 2.0]), np.array([1.0, 0.5, 0.5, 0.0])) == -1.0


def test_means_are_those_of_equal_bins():
    loss = np.repeat([0.0, 1.0, 16.0], [10, 10, 3])
    share = np.concatenate([np.tile([0.0, 1.0], 5), np.full(10, 0.25), np.ones(3)])
    np.testing.assert_allclose(index.means(loss, share), [[0, 0.5, 0.5], [1, 0.25, 0]])  # three are too few


@pytest.mark.parametrize(("values", "linear"), [([-8.0, 16.0], None), ([0.0, 1.0], None), ([1e-4, 1e-3, 5.0], 1e-4)])
def test_the_axis_of_eigenvalues_is_logarithmic_where_their_range_asks_for_it(values, linear):
    assert spectra.threshold(np.array(values)) == linear


def test_indices_share_rows_where_there_are_many():
    assert spectra.grouped(np.array([0, 0, 2])) == [(0, 0), (2, 2)]
    ranges = spectra.grouped(np.arange(100))
    assert len(ranges) <= spectra.ROWS
    assert [first for first, _ in ranges[1:]] == [last + 1 for _, last in ranges[:-1]]


def test_a_pathway_goes_the_short_way_round_closed_axes():
    box = np.array([[0.0, 0.0], [1.0, 1.0]])
    lines = points.images(np.array([0.9, 0.5]), np.array([0.1, 0.6]), box, np.array([1.0, 0.0]))
    np.testing.assert_allclose(lines, [[[0.9, 0.5], [1.1, 0.6]], [[-0.1, 0.5], [0.1, 0.6]]])
    (straight,) = points.images(np.array([0.9, 0.5]), np.array([0.1, 0.6]), box, np.zeros(2))
    np.testing.assert_allclose(straight, [[0.9, 0.5], [0.1, 0.6]])
    assert len(points.images(np.array([0.9, 0.95]), np.array([0.1, 0.2]), box, np.ones(2))) == 4
