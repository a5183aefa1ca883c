"""Figures: which apply to a record, what they show and where, and that equal records give equal files."""

import shutil
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import mnemo_jax as mnemo
from mnemo_jax import losses, store
from mnemo_jax.dwells import Dwells, analyse_stalls
from mnemo_jax.figures import (
    FIGURES,
    basins,
    colours,
    draw,
    levels,
    marks,
    plane,
    stalls,
    steps,
    style,
    ways,
    where,
    words,
)
from mnemo_jax.starts import Grid
from mnemo_jax.survival import survival
from mnemo_jax.tables import KINDS
from mnemo_jax.types import Kind

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def line(out):
    return mnemo.survey(losses.build("double_well", {"tilt": 0.5}), starts=2000, devices=1, out=out)


@pytest.fixture(scope="module")
def square(out):
    return mnemo.survey("himmelblau", starts=3000, devices=1, out=out)


@pytest.fixture(scope="module")
def cells(out):
    return mnemo.survey("himmelblau", starts=Grid(shape=(30, 40)), devices=1, out=out)


@pytest.fixture(scope="module")
def many(out):
    return mnemo.survey("rastrigin", starts=2000, devices=1, out=out)


@pytest.fixture(scope="module")
def lost(out):
    """Himmelblau's loss with a learning rate at which every start escapes."""
    return mnemo.survey("himmelblau", starts=200, learning_rate=1.0, devices=1, out=out)


@pytest.fixture(scope="module")
def known(out):
    """Himmelblau's loss from its nine critical points, so that no descent moves."""
    landscape = losses.build("himmelblau")
    return mnemo.survey(landscape, starts=np.array([point.x for point in landscape.known]), devices=1, out=out)


@pytest.fixture(scope="module")
def saddle(out):
    """Descents from a cloud around the saddle of the six-hump camel at the origin, half to each side."""
    starts = mnemo.Uniform(count=2000, lower=-0.002, upper=0.002)
    return mnemo.survey("six_hump_camel", starts=starts, learning_rate=0.02, devices=1, out=out)


@pytest.fixture(scope="module")
def valley(out):
    return mnemo.survey("valley", starts=200, devices=1, out=out)


def boxed(out, low, high, **given):
    """Return a record of Himmelblau's loss over a smaller box; its minima lie about 3.6 from the origin."""
    landscape = replace(losses.build("himmelblau"), lower=(low, low), upper=(high, high))
    return mnemo.survey(landscape, starts=200, learning_rate=0.005, devices=1, out=out, **given)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def note(figure):
    return figure.get_supxlabel().replace("\n", " ")


def drawn(record):
    return {name for name, figure in FIGURES.items() if figure(record) is not None}


def points(figure):
    """Return the critical points of a figure by kind."""
    found = {}
    for artist in figure.axes[0].collections:
        if isinstance(artist, PathCollection) and str(artist.get_gid()).startswith("critical points: "):
            found.setdefault(artist.get_gid().removeprefix("critical points: "), []).append(
                np.array(artist.get_offsets())
            )
    return {kind: np.concatenate(parts) for kind, parts in found.items()}


def image(figure):
    """Return the pixels ``[rows, columns, 3]`` of the map of basins and its extent."""
    (found,) = (i for axes in figure.axes for i in axes.images if i.get_gid() == "basins")
    return np.asarray(found.get_array()), found.get_extent()


def test_both_formats_are_written_and_show_something(line, tmp_path):
    written = draw(line, tmp_path)
    assert {path.suffix for path in written} == {".svg", ".png"}
    assert {path.stem for path in written} == drawn(line)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    for path in written:
        if path.suffix == ".png":
            assert matplotlib.image.imread(path)[..., :3].std() > 0.02, path
        else:
            assert path.read_bytes().startswith(b"<?xml")


def test_the_folder_is_the_record_s_own_when_none_is_given(lost):
    written = draw(lost)
    assert {path.parent for path in written} == {lost.path / "figures"}


def test_equal_records_give_equal_bytes(square, tmp_path):
    once, again = draw(square, tmp_path / "a"), draw(mnemo.load(square.path), tmp_path / "b")
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]


def test_which_figures_apply(line, square, cells, lost):
    assert {"curve", "shares", "levels", "steps"} <= drawn(line) <= set(FIGURES) - {"landscape", "basins"}
    assert {"landscape", "basins", "shares", "steps"} <= drawn(square) <= set(FIGURES) - {"curve", "levels"}
    assert {"landscape", "basins", "shares"} <= drawn(cells)
    assert drawn(lost) == {"landscape", "steps"}  # nothing has a label, and nothing stalled
    assert ("stalls" in drawn(square)) == (square.stalls().num_rows >= stalls.ENOUGH)


def test_drawing_leaves_matplotlib_s_settings_alone(line):
    before = dict(matplotlib.rcParams)
    FIGURES["curve"](line)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("which", ["line", "square"])
def test_critical_points_lie_where_they_are_and_look_like_their_kind(which, request):
    record = request.getfixturevalue(which)
    table = record.catalogue
    figure = FIGURES["curve" if which == "line" else "landscape"](record)
    for kind, found in points(figure).items():
        rows = table.kind == KINDS.index(kind)
        expected = np.stack([table.x[rows, 0], table.loss[rows]], axis=1) if which == "line" else table.x[rows]
        np.testing.assert_array_equal(found, expected)
    minima = int(np.sum(table.kind == Kind.MINIMUM))
    assert set(points(figure)) == {KINDS[kind] for kind in np.unique(table.kind)}
    assert f"{minima} minima" in legend(figure)
    beside = [text for text in figure.axes[0].texts if text.get_gid() == "label"]
    at = np.stack([table.x[:, 0], table.loss], axis=1) if which == "line" else table.x
    assert [text.get_text() for text in beside] == [str(row) for row in range(len(table.x))]
    np.testing.assert_array_equal([text.xy for text in beside], at)


@pytest.mark.parametrize(("which", "name"), [("line", "curve"), ("saddle", "ways")])
def test_kinds_are_in_ink_where_colours_are_labels(which, name, request):
    axes = FIGURES[name](request.getfixturevalue(which)).axes[0]
    kinds = [c for c in axes.collections if str(c.get_gid()).startswith("critical points: ")]
    assert kinds
    assert {tuple(face[:3]) for c in kinds for face in c.get_facecolor()} == {to_rgb(style.INK)}
    words_of_kinds = {*style.KIND_PLURALS, *style.KIND_PLURALS.values()}
    named = [h for h in axes.get_legend().legend_handles if h.get_label().split(" ")[-1] in words_of_kinds]
    assert [handle.get_markerfacecolor() for handle in named] == [style.INK] * len(kinds)


def test_every_kind_has_its_own_marker_and_colour(square):
    record = mnemo.load(square.path)
    kinds = np.resize(np.arange(len(KINDS), dtype=np.int32), len(record.catalogue.x))
    record.__dict__["catalogue"] = record.catalogue._replace(kind=kinds)
    found = points(FIGURES["landscape"](record))
    assert set(found) == set(KINDS)
    for kind, at in found.items():
        np.testing.assert_array_equal(at, record.catalogue.x[kinds == KINDS.index(kind)])
    assert len({style.KIND_MARKERS[kind] for kind in KINDS}) == len({style.KIND_COLOURS[kind] for kind in KINDS}) == 5


def test_points_of_a_flat_family_are_hollow(square):
    record = mnemo.load(square.path)
    record.__dict__["catalogue"] = record.catalogue._replace(family=np.ones_like(record.catalogue.family))
    axes = FIGURES["landscape"](record).axes[0]
    faces = [tuple(face[:3]) for c in axes.collections if c.get_gid() for face in c.get_facecolor()]
    assert set(faces) == {to_rgb("white")}


def test_a_flat_family_is_said_to_be_one(valley):
    figure = FIGURES["landscape"](valley)
    assert valley.catalogue.family.tolist() == [1]
    assert "1 flat family of minima,\nmarked at one point" in legend(figure)
    assert words.families(2, "saddle") == "2 flat families of saddles,\neach marked at one point"


def test_starts_are_not_said_to_end_where_only_their_family_is_known(valley):
    above = np.array([[-9.0, 8.0], [9.0, 9.0]])
    assert words.outside(valley, above) == "1 flat family is known by a point outside the window."


def test_rare_kinds_are_seen_among_many(many):
    record = mnemo.load(many.path)
    kind = np.zeros_like(record.catalogue.kind)
    kind[[0, 60]] = Kind.KINK, Kind.MAXIMUM
    record.__dict__["catalogue"] = record.catalogue._replace(kind=kind)
    artists = {a.get_gid(): a for a in FIGURES["landscape"](record).axes[0].collections if a.get_gid()}
    minima = artists["critical points: minimum"]
    for name in ("kink", "maximum"):
        rare = artists[f"critical points: {name}"]
        assert rare.get_zorder() > minima.get_zorder()
        assert rare.get_sizes()[0] > 2 * minima.get_sizes()[0]


def test_starts_that_are_critical_points_have_rings_and_labels_and_no_descents(known):
    assert known.summary["catalogue_size"] == 9
    assert not [label for label in legend(FIGURES["landscape"](known)) if "descent" in label]
    figure = FIGURES["basins"](known)
    artists = {a.get_gid(): a for a in figure.axes[0].collections}
    np.testing.assert_allclose(np.array(artists["points"].get_offsets()), known.catalogue.x)
    assert len(artists["points"].get_facecolor()) == 0
    assert [text.get_text() for text in figure.axes[0].texts] == [str(row) for row in range(9)]


def test_legends_tell_the_kind_of_a_label_that_is_no_minimum(out):
    record = mnemo.survey("double_well", starts=np.array([[0.0], [1.0]]), devices=1, out=out)
    found = legend(FIGURES["curve"](record))
    assert found[-2:] == ["0   50 %", "1 (maximum)   50 %"]
    assert marks.REACHED in found
    assert not any("basin" in text for text in found)


def test_maps_of_the_nearest_start_say_so(square, cells):
    said = "Places have the colour of the nearest start"
    assert f"{said}." in note(FIGURES["basins"](square))
    assert said not in note(FIGURES["basins"](cells))


def test_the_map_of_a_grid_is_its_labels(cells):
    pixels, extent = image(FIGURES["basins"](cells))
    labels = np.array(cells.starts("label")["label"].fill_null(-1)).reshape(30, 40)
    np.testing.assert_array_equal(where.grid(cells), labels)
    np.testing.assert_array_equal(pixels, colours.palette(cells, 0.25)[labels].transpose(1, 0, 2))
    assert tuple(extent) == (-5, 5, -5, 5)


def test_a_large_grid_is_thinned_evenly(cells, monkeypatch):
    labels = np.array(cells.starts("label")["label"].fill_null(-1)).reshape(30, 40)
    monkeypatch.setattr(where, "PIXELS", 10)
    np.testing.assert_array_equal(where.grid(cells), labels[1::3, 2::4])


def test_starts_are_made_again_where_they_were(line, square):
    x, label = where.places(line)
    maximum = line.catalogue.x[line.catalogue.kind == Kind.MAXIMUM][0, 0]
    left = np.argmin(line.catalogue.x[:, 0])
    assert x.shape == (2000, 1)
    np.testing.assert_array_equal(label == left, x[:, 0] < maximum)  # a gradient step of 0.01 never jumps over it
    paths = square.stored_paths()
    np.testing.assert_array_equal(where.places(square)[0][list(paths)], [path[0] for path in paths.values()])


def test_the_band_changes_colour_at_the_maximum(line):
    pixels, (low, high, _, _) = image(FIGURES["curve"](line))
    maximum = line.catalogue.x[line.catalogue.kind == Kind.MAXIMUM][0, 0]
    change = np.flatnonzero(np.any(pixels[0, 1:] != pixels[0, :-1], axis=1))
    assert len(change) == 1
    assert abs(low + (change[0] + 1) / pixels.shape[1] * (high - low) - maximum) < 6 / 2000 * 10


def test_starts_without_a_label_are_grey(out):
    record = mnemo.survey("himmelblau", starts=np.array([[3.0, 2.0], [40.0, 40.0]]), devices=1, out=out)
    assert record.outcomes["converged"] == 1
    figure = FIGURES["basins"](record)
    (dots,) = (c for c in figure.axes[0].collections if c.get_gid() == "starts")
    np.testing.assert_allclose(dots.get_facecolor()[1, :3], to_rgb(colours.NO_LABEL))
    assert "no label   50 %" in legend(figure)


def test_descents_drawn_on_a_grid_come_from_all_over_it(cells):
    assert cells.paths() == []
    stored = cells.stored_paths()
    places = np.array([path[0] for path in stored.values()])
    np.testing.assert_array_equal(places, where.places(cells)[0][list(stored)])
    quadrants = {tuple(place > 0) for place in places}
    assert len(stored) == 12
    assert len(quadrants) == 4
    lines = [line for line in FIGURES["landscape"](cells).axes[0].lines if line.get_gid() == "descent"]
    np.testing.assert_array_equal([line.get_xydata()[0] for line in lines], places)


def test_paths_asked_for_change_no_figure(cells, out, tmp_path):
    asked = mnemo.survey(
        "himmelblau", starts=Grid(shape=(30, 40)), devices=1, out=out, recording=mnemo.Recording(paths=30)
    )
    assert [path[0].tolist() for path in asked.paths()] == where.places(asked)[0][:30].tolist()
    assert list(asked.stored_paths())[:12] == list(cells.stored_paths())
    one, other = (FIGURES["landscape"](record) for record in (cells, asked))
    pairs = zip(one.axes[0].lines, other.axes[0].lines, strict=True)
    assert all(np.allclose(a.get_xydata(), b.get_xydata(), equal_nan=True) for a, b in pairs)


def test_the_window_is_widened_for_points_just_outside(out):
    record = boxed(out, -3.0, 3.5)
    low, high = where.window(record)
    figure = FIGURES["landscape"](record)
    assert np.all((low < record.catalogue.x) & (record.catalogue.x < high))
    assert np.all(high - low < 2 * 6.5)
    assert f"{np.sum(record.catalogue.kind == Kind.MINIMUM)} minima" in legend(figure)
    assert "outside" not in figure.get_supxlabel()


def test_points_far_outside_the_window_are_counted(out):
    record = boxed(out, -1.0, 1.0)
    away = np.any(np.abs(record.catalogue.x) > 1.08, axis=1)
    share = words.percent(record.shares.share[away].sum(), 200)
    assert away.sum() >= 4  # all minima
    assert f"{away.sum()} critical points lie outside the window, with {share} of the starts." in note(
        FIGURES["landscape"](record)
    )


def test_many_basins_have_the_colour_of_their_loss(many):
    loss, palette = many.catalogue.loss, colours.palette(many)
    reached = np.flatnonzero(many.shares.count)
    assert len(reached) > colours.BASINS
    lightness = palette[reached[np.argsort(loss[reached])]].sum(axis=1)
    assert np.all(np.diff(lightness) >= 0)
    assert lightness[0] < lightness[-1]
    figure = FIGURES["basins"](many)
    assert sum(label.split()[0].isdigit() and "more" not in label for label in legend(figure)) == marks.FEWER
    assert any(label.startswith(f"{len(reached) - marks.FEWER} more") for label in legend(figure))


def test_borders_lie_between_pixels_of_different_labels():
    axes = Figure().add_subplot()
    basins._borders(axes, np.array([[0, 0], [1, 0]]), (0.0, 2.0, 0.0, 4.0))
    (lines,) = axes.collections
    found = {tuple(map(tuple, segment)) for segment in lines.get_segments()}
    assert found == {((1.0, 0.0), (1.0, 2.0)), ((1.0, 2.0), (2.0, 2.0))}


def test_survival_curves_are_those_of_the_analysis(saddle):
    figure = FIGURES["stalls"](saddle)
    told = analyse_stalls(saddle)
    (place,) = told.places
    left, right = figure.axes
    (curve,) = (line for line in left.lines if line.get_gid() is None)
    np.testing.assert_array_equal(curve.get_xdata()[1:], place.survival.at)
    np.testing.assert_array_equal(curve.get_ydata(), [1.0, *place.survival.share])
    assert curve.get_drawstyle() == "steps-post"
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        f"saddle {place.label}  ({place.stalls:,})",
        stalls.LAW,
    ]
    band, law = left.collections[0].get_paths()[0].vertices, right.lines[-1].get_xydata()
    assert band[:, 1].min() < place.survival.share[place.survival.share > 0].min()
    np.testing.assert_allclose(law[:, 1], np.exp(-law[:, 0]))


def test_long_stalls_lie_on_the_law(saddle):
    """Starts are uniform across the saddle: beyond the median, each step keeps one part in the growth factor."""
    curve, law = FIGURES["stalls"](saddle).axes[1].lines
    x, y = curve.get_data()
    assert len(x) > 10
    assert law.get_label() == stalls.LAW
    left = analyse_stalls(saddle).overall.stalls / 2
    np.testing.assert_allclose(y, np.exp(-x), atol=4 / np.sqrt(left))
    assert np.abs(np.log(y[len(y) // 2]) + x[len(x) // 2]) < 0.5


def test_no_law_is_told_of_other_optimizers_or_degenerate_points(saddle):
    (place,) = analyse_stalls(saddle).places
    assert stalls._decay(saddle, place) == pytest.approx(np.log1p(0.02 * 8.0623), rel=1e-5)
    assert stalls._decay(saddle, place._replace(stalls=stalls.MANY - 1)) is None
    assert stalls._decay(saddle, place._replace(label=None)) is None
    table = saddle.catalogue
    flat, other = mnemo.load(saddle.path), mnemo.load(saddle.path)
    flat.__dict__["catalogue"] = table._replace(nullity=np.ones_like(table.nullity))
    other.config["optimizer"]["name"] = "adam"
    assert stalls._decay(flat, place) is stalls._decay(other, place) is None
    assert len(FIGURES["stalls"](other).axes) == 1
    two = mnemo.load(saddle.path)
    two.__dict__["catalogue"] = table._replace(eigenvalues=np.tile([-3.0, -2.0], (len(table.x), 1)))
    assert stalls._decay(two, place) == pytest.approx(np.log(1.06) + np.log(1.04))


def test_censored_stalls_are_crosses_that_are_apart(saddle):
    (place,) = analyse_stalls(saddle).places
    at = np.arange(5, 1005)
    told = survival(at, np.ones(1000, int), (at % 2 == 0) * 3)
    axes = Figure().add_subplot(xlim=(0, 1004), ylim=(0, 1))
    stalls._crosses(axes, place._replace(survival=told), "black")
    (crosses,) = axes.lines
    x, y = crosses.get_data()
    assert x[0] == 1004  # the last comes first
    assert np.all(x % 2 == 0)
    assert np.all(-np.diff(x) > stalls.APART * 1004)
    assert 60 < len(x) < 1 / stalls.APART
    np.testing.assert_array_equal(y, told.share[x - 5])


def test_too_few_stalls_are_not_drawn(saddle, monkeypatch):
    monkeypatch.setattr(stalls, "ENOUGH", analyse_stalls(saddle).overall.stalls + 1)
    assert FIGURES["stalls"](saddle) is None
    monkeypatch.setattr(ways, "ENOUGH", 10**6)
    assert FIGURES["ways"](saddle) is None


def test_stalls_say_which_of_them_are_drawn(saddle, monkeypatch):
    overall = analyse_stalls(saddle).overall._replace(stalls=600, censored={"out_of_steps": 15, "converged": 5})
    monkeypatch.setattr(saddle, "summary", saddle.summary | {"stalls": {"total": 700}})
    (place,) = analyse_stalls(saddle).places
    every = Dwells((), overall._replace(stalls=place.stalls + 1), [place], 1, analyse_stalls(saddle).finals)
    told = stalls._note(saddle, overall, stalls.rest_told(every, [place]), False)
    assert told.startswith(
        "600 stalls stored, the first few of each start, of 700 in all, 20 of them (crosses) not over"
    )
    assert " 1 at a rarer place has no line of its own. " in told
    assert "law" not in told
    rest = stalls.rest_told(every._replace(overall=overall._replace(stalls=place.stalls + 2)), [place])
    told = stalls._note(saddle, overall._replace(stalls=700, censored={}), rest, True)
    assert told.startswith("700 stalls. 2 at rarer places have no lines of their own. Right:")
    assert told.endswith(f" nothing is fitted. {words.starts(saddle)}.")
    assert stalls.rest_told(every._replace(overall=place), [place]) == ""


def test_stalls_at_rare_places_alone_are_not_said_to_lie_at_rarer_ones(saddle):
    told = analyse_stalls(saddle)
    place = told.places[0]._replace(stalls=stalls.ENOUGH - 1)
    every = told._replace(overall=told.overall._replace(stalls=37), places=[place] * 7, further=20)
    assert stalls.rest_told(every, []) == "They were at 27 places, none with 5 stalls or more: one line for all."


def test_arrows_lead_to_the_minimum_on_their_side(saddle):
    figure = FIGURES["ways"](saddle)
    (place,) = analyse_stalls(saddle).places
    axes, x = figure.axes[0], saddle.catalogue.x
    arrows = ways._arrows(axes, saddle, [(place, ways._vectors(saddle, [place.label])[place.label])], np.array([0, 1]))
    assert [arrow.share for arrow in arrows] == [side.share for side in place.sides]
    for arrow, side in zip(arrows, place.sides, strict=True):
        assert arrow.end == side.ends[0][0]
        there = np.subtract(*axes.transData.transform([x[arrow.end], x[place.label]]))
        assert arrow.along @ there / np.linalg.norm(there) > 0.9
    drawn = [patch for patch in axes.patches if patch.get_gid() == "way"]
    colour = colours.palette(saddle)
    assert [patch.get_facecolor()[:3] for patch in drawn] == [tuple(colour[arrow.end]) for arrow in arrows]
    shares = [text.get_text() for text in axes.texts if text.get_gid() == "share"]
    assert shares == [f"{100 * side.share:.0f} %" for side in place.sides]
    labels = [text.get_text() for text in axes.texts if text.get_gid() == "label"]
    assert labels == [str(row) for row in sorted([place.label, 0, 1])]


def test_directions_that_the_picture_does_not_tell_are_left_out(saddle):
    (place,) = analyse_stalls(saddle).places
    vectors = ways._vectors(saddle, [place.label])[place.label]
    hessian = np.array([[8.0, 1.0], [1.0, -8.0]])  # of the six-hump camel at the origin
    values = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(hessian @ vectors, vectors * values, atol=1e-4)
    assert np.all(vectors[np.argmax(np.abs(vectors) > 0.5, axis=0), [0, 1]] > 0)
    other = mnemo.load(saddle.path)
    other.__dict__["catalogue"] = saddle.catalogue._replace(eigenvalues=1.3 * saddle.catalogue.eigenvalues)
    assert ways._vectors(other, [place.label]) == {}
    assert FIGURES["ways"](other) is None


def test_the_axis_of_steps_leaves_out_what_would_squeeze_it():
    number = np.concatenate([np.arange(100, 200).repeat(100), [5000, 7000]])
    edges = steps.edges_of(number, False)
    assert (edges[0], edges[-1]) == (99.5, 199.5)
    assert steps.extent(np.array([1, 1000])) == (1, 1000)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("low", "high"), [(1, 2), (1, 60), (3, 815), (40, 4000), (1, 800_000), (2_000_000, 4_000_000)])
def test_bins_hold_whole_steps(low, high, wide):
    edges = steps.edges_of(np.array([low, high]), wide)
    assert edges[0] == low - 0.5
    assert edges[-2] < high + 0.5 <= edges[-1]
    assert np.all(edges % 1 == 0.5)
    assert len(edges) <= steps.BINS + 1
    assert wide or len(set(np.diff(edges))) == 1


@pytest.mark.parametrize(
    "number", [[2], [0] + 99 * [120], 980 * [800_000] + [799_000] * 20, [1, 20, 300, 4000, 50_000]]
)
def test_the_axis_of_steps_has_room_beside_all_that_is_drawn(square, number, monkeypatch):
    number = np.resize(np.array([*number, max(number) + 1]), 3000)
    table = square.starts("outcome", "steps", "label")
    record = mnemo.load(square.path)
    changed = table.set_column(1, "steps", [number.astype(np.int32)])
    monkeypatch.setattr(record, "starts", lambda *columns, first=None: changed)
    top, below = FIGURES["steps"](record).axes
    left, right = below.get_xlim()
    for line in below.lines:
        assert left < line.get_xdata().min() <= line.get_xdata().max() < right
    (bars,) = top.patches
    data = bars.get_data()
    assert left < data.edges[0] <= data.edges[-1] < right
    wide = top.get_xscale() == "log"
    width = np.diff(np.log(data.edges)) / np.log(steps.FACTOR) if wide else 1.0
    assert np.sum(data.values * width) == pytest.approx(1.0, abs=2 * steps.RARE)  # areas are shares


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (2500, "2,500"), (35_000, "35 k"), (814_400, "814.4 k"), (2.5e6, "2.5 M")]
)
def test_long_numbers_of_steps_are_short(value, text):
    assert words.short(value) == text
    assert words.step_ticks()(value) == text
    assert words.step_ticks()(0.5) == ""


def test_the_unseen_mass_is_one_of_starts(square):
    mass = words.number(100 * square.summary["unseen"]["mass"], 2)
    assert f"Starts that lead to points not seen yet: {mass} %" in note(FIGURES["shares"](square))


def test_shares_are_drawn_with_their_intervals(square):
    axes = FIGURES["shares"](square).axes[0]
    shares = square.shares
    order = np.argsort(-shares.count, kind="stable")[: np.sum(shares.count > 0)]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_gid() == "share"]
    intervals = [line.get_xdata() for line in axes.lines if line.get_gid() == "interval"]
    np.testing.assert_array_equal(dots, shares.share[order])
    np.testing.assert_array_equal(intervals, shares.interval[order])


def test_points_given_have_shares_without_intervals(out):
    record = mnemo.survey("himmelblau", starts=np.array([[0.0, 0.0], [3.0, 3.0]]), devices=1, out=out)
    figure = FIGURES["shares"](record)
    assert not [line for line in figure.axes[0].lines if line.get_gid() == "interval"]
    assert "no intervals" in figure.get_supxlabel()


def test_numbers_of_minima_at_a_level_are_explained(line, saddle):
    assert "×" not in note(FIGURES["levels"](line))
    several = mnemo.load(line.path)
    table = line.catalogue
    rows = np.concatenate([np.flatnonzero(table.kind == Kind.MINIMUM)[:1], np.arange(len(table.x))])  # the first twice
    several.__dict__["catalogue"] = type(table)(*(column[rows] for column in table))
    several.__dict__["shares"] = type(line.shares)(*(column[rows] for column in line.shares))
    figure = FIGURES["levels"](several)
    assert "×2" in [text.get_text() for text in figure.axes[0].texts]
    assert "×2: two minima at that level" in note(figure)


def test_levels_add_up_minima_and_shares(square, line):
    one = levels.levels_of(square)
    assert one.minima.tolist() == [4]
    assert one.share[0] == pytest.approx(1.0)
    two = levels.levels_of(line)
    assert two.minima.tolist() == [1, 1]
    assert np.all(np.diff(two.loss) > 0)


@pytest.mark.parametrize("number", [61, 100, 169, 173, 1000])
def test_evenly_spaced_levels_show_no_dips(number):
    loss = 0.995 * np.arange(number)
    share = np.exp(-0.5 * ((loss - loss.mean()) / np.ptp(loss) * 5) ** 2)
    found = levels.Levels(loss, np.ones(number, int), share / share.sum())
    axes = Figure().add_subplot()
    levels._smooth(axes, found)
    starts, minima = (patch.get_data() for patch in axes.patches)
    top = starts.values.max()
    for side in (values[: np.argmax(values)] for values in (starts.values, starts.values[::-1])):
        assert np.max(np.maximum.accumulate(side) - side) < 1e-3 * top
    np.testing.assert_allclose(minima.values, minima.values.mean(), rtol=0.01)
    for values in (starts.values, minima.values):
        assert values.sum() / levels.WIDTH / levels.CELLS == pytest.approx(1.0)


def repainted(record, folder, loss):
    """Return a copy of a record whose picture's loss is what ``loss`` makes of it."""
    shutil.copytree(record.path, folder)
    kept = where.picture(record)
    store.write_npz(folder / "picture.npz", kept | {"loss": loss(kept["loss"])})
    return mnemo.load(folder)


@pytest.mark.parametrize(
    ("loss", "bar", "told"),
    [
        (lambda loss: np.full_like(loss, np.nan), False, "The loss is finite at no point of the picture."),
        (lambda loss: np.where(loss > 50, np.inf, loss), True, "Grey: the loss is not finite."),
        (lambda loss: np.full_like(loss, 3.0), False, "The loss is 3 at all points of the picture."),
        (
            lambda loss: np.where(loss > 50, np.nan, 3.0),
            False,
            "Grey: the loss is not finite. The loss is 3 at all other points of the picture.",
        ),
        (lambda loss: loss, True, ""),
    ],
)
def test_no_bar_of_heights_is_made_up_where_there_are_none(square, tmp_path, loss, bar, told):
    record = repainted(square, tmp_path / "run", loss)
    figure = FIGURES["landscape"](record)
    assert len(figure.axes) == 1 + bar
    assert note(figure) == words.sentences(f"{words.starts(square)}.", told)
    nothing = [text for text in figure.axes[0].texts if text.get_text() == "no finite loss"]
    assert len(nothing) == ("no point" in told)
    assert FIGURES["basins"](record) is not None


def test_a_curve_without_a_finite_loss_has_no_heights(line, tmp_path):
    record = repainted(line, tmp_path / "run", lambda loss: np.full_like(loss, np.nan))
    record.__dict__["catalogue"] = record.catalogue._replace(loss=np.full_like(record.catalogue.loss, np.nan))
    top = FIGURES["curve"](record).axes[0]
    assert len(top.get_yticks()) == 0
    assert "no finite loss" in [text.get_text() for text in top.texts]
    assert len(FIGURES["curve"](line).axes[0].get_yticks()) > 2


def test_descents_that_wind_are_thinner_and_fainter(cells, monkeypatch):
    window = np.array([[0.0, 0.0], [4.0, 1.0]])
    straight = np.linspace([0.0, 0.0], [4.0, 1.0], 9)
    assert plane.thinner(straight, window) == 1.0
    there = np.array([[0.0, 0.5], [4.0, 0.5], [0.0, 0.5], [4.0, 0.5]])  # thrice the way to its furthest point
    assert plane.thinner(there, window) == pytest.approx(np.sqrt(plane.DIRECT / 3))
    assert plane.thinner(np.resize(there, (400, 2)), window) == plane.THINNEST
    assert plane.thinner(np.insert(there, 1, np.nan, axis=0), window) == pytest.approx(np.sqrt(plane.DIRECT / 2))
    path = next(iter(cells.stored_paths().values()))
    winding = np.concatenate([path[:1], np.tile(path[[0, -1]], (50, 1)), path[-1:]])
    monkeypatch.setattr(cells, "stored_paths", lambda: {0: path, 1: winding})
    direct, wound = (line for line in FIGURES["landscape"](cells).axes[0].lines if line.get_gid() == "descent")
    assert wound.get_linewidth() < 0.5 * direct.get_linewidth()
    assert wound.get_alpha() < 0.5 * direct.get_alpha()


def test_descents_on_closed_axes_have_no_wrap_lines():
    path = np.linspace([0.2, 0.5], [-0.3, 0.5], 51)
    shown = plane.broken(path, np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.0]))
    assert np.nanmin(shown[:, 0]) >= 0
    assert np.isnan(shown).any(axis=1).sum() == 1
    assert np.nanmax(np.abs(np.diff(shown, axis=0))) < 0.02


def test_nearest_starts_are_found_across_closed_axes():
    pixels = (np.arange(100)[:, None] + 0.5) / 100
    x, values = np.array([[0.02], [0.5]]), np.array([3, 4])
    found = where.nearest(pixels, x, values, np.array([1.0]))
    assert found[0] == found[99] == 3
    assert found[50] == 4
    assert where.nearest(pixels, np.full((1000, 1), 0.5), np.zeros(1000), np.zeros(1))[0] == -2  # no start near


def test_levels_of_contours_rise_whatever_the_loss():
    for loss in (np.arange(100.0), np.ones(50), np.empty(0), np.array([0.0, 1.0, np.inf]), np.repeat([0.0, 1.0], 50)):
        assert np.all(np.diff(colours.levels(loss)) > 0)


def test_levels_are_round_and_none_lies_above_the_lowest_loss():
    loss = np.random.default_rng(0).gamma(2.0, 100.0, 10_000) - 3.7
    found = colours.levels(loss)
    assert found[0] <= loss.min() < found[1]
    assert all(float(f"{level:.2g}") == pytest.approx(level) for level in found[1:])


@pytest.mark.parametrize(
    ("low", "high", "number"), [(0.31, 0.42, 0.4), (97, 103, 100), (-0.2, 0.1, 0), (1.21, 1.24, 1.22), (-2.2, -1.9, -2)]
)
def test_roundest_number_of_an_interval(low, high, number):
    assert colours.roundest(low, high) == pytest.approx(number)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-17, "0"), (-1.0316284534898774, "−1.0316"), (1040.0, "1040"), (2e7, "2e7"), (1e-6, "1e−6")],
)
def test_numbers_are_written_plainly(value, text):
    assert words.number(value) == text


def test_percentages_have_the_decimals_that_the_starts_can_tell():
    assert words.percent(0.5, 100_000) == "50.0 %"
    assert words.percent(1e-4, 10_000) == "0.01 %"
    assert words.percent(1.0, 10) == "100 %"


def test_few_basins_have_a_colour_each(square):
    palette = colours.palette(square)
    reached = np.flatnonzero(square.shares.count)
    assert len(np.unique(palette[[*reached, -1, -2]], axis=0)) == len(reached) + 2
    assert len(np.unique(colours._distinct(), axis=0)) == colours.BASINS
