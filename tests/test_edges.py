"""Distances of minima, edges, and the command that tells them, against boundaries known in closed form."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import mnemo_jax as mnemo
from mnemo_jax import config, losses, pipeline, store
from mnemo_jax.anew import matched
from mnemo_jax.catalogue import Metric
from mnemo_jax.devices import Devices
from mnemo_jax.figures import FIGURES, draw_boundary
from mnemo_jax.figures import edges as edges_figure
from mnemo_jax.figures.style import INK
from mnemo_jax.oracle import oracle_of
from mnemo_jax.rays import distances
from mnemo_jax.run_boundary import boundary_of, told

pytestmark = pytest.mark.usefixtures("no_fsync")

HIMMELBLAU = [point for point in losses.build("himmelblau").known if point.kind == "saddle"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def ran(out, name, loss, **tables):
    table = {"name": name, "loss": loss, **tables}
    return pipeline.run(config.plan(config.parse(table, name), name, "cpu"), out, devices=1)


@pytest.fixture(scope="module")
def grid(out):
    return ran(out, "grid", {"name": "himmelblau"}, starts={"kind": "grid", "shape": 200})


@pytest.fixture(scope="module")
def found(grid):
    return boundary_of(grid)


class Known:
    """Labels 0 where a function of the point is positive, 1 elsewhere."""

    def __init__(self, inside, dim):
        self.inside = inside
        self.table = SimpleNamespace(x=np.zeros((1, dim)))
        self.asked = 0

    def labels(self, x):
        self.asked += 1
        return np.where(self.inside(x) > 0, 0, 1)


NORMAL = np.array([0.6, -0.48, 0.64])


@pytest.mark.parametrize(
    ("inside", "dim", "distance", "direction"),
    [
        (lambda x: 0.7 - x @ NORMAL, 3, 0.7, NORMAL),
        (lambda x: 1 - (x[:, 0] - 0.8 * x[:, 1]) ** 2 / 0.41 - (0.8 * x[:, 0] + x[:, 1]) ** 2 / 2.5, 2, 0.5, None),
        (lambda x: 0.3 + x[:, 0], 1, 0.3, np.array([-1.0])),
    ],
)
def test_distances_to_planes_and_ellipses(inside, dim, distance, direction):
    asked = Known(inside, dim)
    away = distances(asked, np.array([0]), Metric(np.zeros(dim), np.zeros(dim), 1.0, 1.0))
    assert away.distance[0] == pytest.approx(distance, rel=1e-5)
    assert away.distance[0] >= distance * (1 - 1e-7)  # an upper bound
    assert away.beyond[0] == 1
    if direction is not None:
        np.testing.assert_allclose(away.direction[0], direction, atol=5e-3)
    np.testing.assert_allclose(away.x[0], away.distance[0] * away.direction[0])
    assert asked.asked < 500


def test_a_basin_without_an_end_has_no_distance():
    away = distances(Known(lambda x: 1 + x[:, 0] ** 2, 2), np.array([0]), Metric(np.zeros(2), np.zeros(2), 1.0, 1.0))
    assert away.distance[0] == np.inf
    assert away.beyond[0] == -1


def test_himmelblaus_saddles(found):
    table = found.saddles.table
    assert len(table.x) == 4
    for known in HIMMELBLAU:
        row = np.argmin(np.linalg.norm(table.x - known.x, axis=1))
        np.testing.assert_allclose(table.x[row], known.x, atol=1e-9)
        assert table.loss[row] == pytest.approx(known.loss, rel=1e-12)
        assert table.index[row] == 1
        np.testing.assert_allclose(found.saddles.barrier[row], known.loss)  # the minima have loss zero
    joins = {tuple(pair) for pair in found.saddles.joins.tolist()}
    assert joins == {(0, 1), (0, 3), (1, 2), (2, 3)}
    assert not found.edges.lost.any()
    ends = np.sort(found.edges.pair, axis=1)
    np.testing.assert_array_equal(ends, found.saddles.joins[found.edges.point])


def test_distances_agree_with_the_map(grid, found):
    """The nearest cell of another label is no nearer than the distance, and no further than it and a cell."""
    labels = grid.starts("label")["label"].fill_null(-1).to_numpy().reshape(200, 200)
    centre = np.moveaxis(np.indices((200, 200)), 0, -1) * 0.05 + 0.025 - 5
    for label, distance in zip(found.distances.label, found.distances.distance, strict=True):
        away = np.linalg.norm(centre - grid.catalogue.x[label], axis=-1)[labels != label].min()
        assert distance - 1e-6 <= away <= distance + 0.05 * np.sqrt(2)


def test_the_oracle_says_what_the_run_says(grid, found):
    label = grid.starts("label")["label"].fill_null(-1).to_numpy()
    rows = np.random.default_rng(0).choice(40_000, 500, replace=False)
    x = np.stack(np.unravel_index(rows, (200, 200)), axis=-1) * 0.05 + 0.025 - 5
    away = found.distances
    centre = grid.catalogue.x[away.label]
    with jax.enable_x64(True), Devices(1) as devices:
        asked = oracle_of(grid, devices)
        np.testing.assert_array_equal(asked.labels(x), label[rows])
        np.testing.assert_array_equal(asked.labels(x[:7]), label[rows[:7]])
        np.testing.assert_array_equal(asked.labels(away.x + 1e-5 * (away.x - centre)), away.beyond)
        np.testing.assert_array_equal(asked.labels(away.x - 1e-5 * (away.x - centre)), away.label)
        assert asked.descents == 507 + 8
        assert len(asked.labels(np.empty((0, 2)))) == 0


def test_equal_runs_have_equal_boundaries(grid, found):
    text = json.dumps(told(grid, found), allow_nan=False)
    assert json.dumps(told(grid, boundary_of(grid)), allow_nan=False) == text
    words = json.loads(text)
    assert words["grid"]["fractality"]["verdict"] == "smooth"
    assert words["edges"]["own_optimizer"] is True
    assert {pair["saddle"] for pair in words["edges"]["pairs"]} == {0, 1, 2, 3}


def test_a_turned_double_well_under_momentum(out):
    """(u^2 - 1)^2 + 2 v^2 with u and v turned: the edge is that of gradient descent, v = anything at u = 0."""
    u, v = "(0.8*x + 0.6*y)", "(0.8*y - 0.6*x)"
    loss = {"expression": f"({u}**2 - 1)**2 + 2*{v}**2", "lower": -2, "upper": 2}
    record = ran(
        out, "turned", loss, starts={"count": 200}, optimizer={"name": "sgd", "learning_rate": 0.02, "momentum": 0.5}
    )
    found = boundary_of(record)
    assert not found.own
    assert found.learning_rate == pytest.approx(0.25 / 8, rel=0.5)  # of curvatures 8 and 4 at the minima
    assert found.saddles.table.x.shape == (1, 2)
    np.testing.assert_allclose(found.saddles.table.x[0], 0, atol=1e-9)
    np.testing.assert_allclose(found.saddles.barrier[0], 1.0)
    assert np.all(found.distances.distance <= 1 + 1e-6)  # the basins of momentum cannot be wider than the wells
    assert found.measures is None


def test_minima_that_the_run_had_not_met(out):
    """Two starts reach opposite minima of Himmelblau's loss, and the segment between them crosses a third basin."""
    starts = {"kind": "points", "x": [[-2.8, 3.1], [3.5, -1.8]]}
    record = ran(out, "two", {"name": "himmelblau"}, starts=starts)
    assert len(record.catalogue.x) == 2
    found = boundary_of(record)
    assert {tuple(sorted(pair)) for pair in found.edges.pair.tolist()} == {(0, 2), (1, 2)}
    assert found.known == 2
    losses_ = sorted(point.loss for point in HIMMELBLAU)[:2]
    np.testing.assert_allclose(np.sort(found.saddles.table.loss), losses_)
    minima = [saddle["minima"] for saddle in told(record, found)["edges"]["saddles"]]
    assert sorted(minima, key=str) == [[0, "new"], [1, "new"]]


def test_what_has_no_boundary_to_track(out):
    one = boundary_of(ran(out, "one", {"name": "himmelblau"}, starts={"kind": "points", "x": [[3, 2.1]]}))
    assert np.isfinite(one.distances.distance).all()
    assert not len(one.edges.pair)
    lost = ran(out, "lost", {"name": "himmelblau"}, starts={"count": 20}, optimizer={"learning_rate": 1.0})
    assert not len(boundary_of(lost).distances.label)


def test_runs_without_a_boundary_are_told_so(out):
    python = mnemo.survey("himmelblau", starts=10, devices=1, out=out)
    with pytest.raises(mnemo.UserError, match=r"its loss was made in Python; distances and edges need a run from"):
        boundary_of(python)
    with pytest.raises(mnemo.UserError, match="its starts are no grid, and --no-edges leaves nothing"):
        boundary_of(python, tracking=False)


def test_escape_experiments_have_no_boundary(tmp_path):
    store.write_json(tmp_path / "escape.json", {})
    with pytest.raises(mnemo.UserError, match="is an escape experiment"):
        boundary_of(SimpleNamespace(path=tmp_path))


def test_optimizers_that_draw_random_numbers_are_refused(tmp_path):
    noise = {"kind": "langevin", "temperature": 0.01}
    for optimizer in ({"noise": noise}, {"name": "noisy_sgd", "learning_rate": 0.01}):
        table = {"name": "noisy", "loss": {"name": "himmelblau"}, "starts": {"count": 10}, "optimizer": optimizer}
        store.write_json(tmp_path / "table.json", table)
        record = SimpleNamespace(path=tmp_path, config={}, provenance={"platform": "cpu", "versions": {"jax": "0"}})
        with Devices(1) as devices, pytest.raises(mnemo.UserError, match="draws random numbers"):
            oracle_of(record, devices)


def test_a_loss_that_has_changed_is_refused(grid):
    config_ = grid.config | {"loss": grid.config["loss"] | {"program": "another"}}
    record = SimpleNamespace(path=grid.path, provenance=grid.provenance, config=config_)
    with Devices(1) as devices, pytest.raises(mnemo.UserError, match="its loss has changed since the run"):
        oracle_of(record, devices)


def test_matched_finds_points_across_closed_axes():
    metric = Metric(np.zeros(2), np.array([1.0, 0.0]), 0.5, 1.0)
    table = SimpleNamespace(x=np.array([[0.0, 0.3], [0.5, 0.5]]))
    x = np.array([[1.0 - 1e-9, 0.3], [0.5, 0.5 + 1e-9], [0.0, 1.3]])
    np.testing.assert_array_equal(matched(x, table, metric), [0, 1, -1])
    np.testing.assert_array_equal(matched(x, SimpleNamespace(x=np.empty((0, 2))), metric), [-1, -1, -1])


def test_figures_show_the_boundary_where_it_is(grid, found):
    label = grid.starts("label")["label"].fill_null(-1).to_numpy().reshape(200, 200)
    changed = np.zeros(label.shape, bool)
    changed[:-1] |= label[1:] != label[:-1]
    changed[:, :-1] |= label[:, 1:] != label[:, :-1]
    figure = FIGURES["boundary"](grid)
    (image,) = (i for axes in figure.axes for i in axes.images if i.get_gid() == "boundary")
    ink = np.all(np.asarray(image.get_array()) == to_rgb(INK), axis=-1)
    np.testing.assert_array_equal(ink.T, changed)
    assert tuple(image.get_extent()) == (-5, 5, -5, 5)
    note = figure.get_supxlabel().replace("\n", " ")
    assert f"tends to {found.measures.fractality.limit:.3f}" in note
    assert note.count("Smooth at the scale of 8 cells") == 1


def test_figure_of_the_power_law_shows_its_window(grid, found):
    figure = FIGURES["uncertain"](grid)
    power = found.measures.uncertainty
    lines = {line.get_gid(): np.asarray(line.get_xydata()) for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["shares"], np.stack([power.error, power.share], axis=1))
    fit = np.log(lines["fit"])
    assert np.ptp(fit[:, 1]) / np.ptp(fit[:, 0]) == pytest.approx(power.exponent)
    assert tuple(np.exp(fit[[0, -1], 0])) == pytest.approx(power.window)
    assert f"exponent is {power.exponent:.3f}" in figure.get_supxlabel().replace("\n", " ")


def test_figure_of_edges_has_circles_and_tracks(grid, found, tmp_path):
    figure = edges_figure.edges(grid, found)
    circles = {(tuple(p.center), p.radius) for p in figure.axes[0].patches if p.get_gid() == "circle"}
    away = found.distances
    assert circles == {(tuple(grid.catalogue.x[k]), r) for k, r in zip(away.label, away.distance, strict=True)}
    tracks = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines if line.get_gid() == "track"]
    np.testing.assert_array_equal(np.stack(tracks, axis=1), found.edges.path)
    first, second = (draw_boundary(grid, found, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first] == [
        f"{name}.{kind}" for name in ("boundary", "uncertain", "edges") for kind in ("svg", "png")
    ]


def test_the_command_tells_a_grid_and_draws_it(grid, found):
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(Path(tempfile.gettempdir()) / "mnemo-jax-tests")}
    mnemo_ = (sys.executable, "-c", "from mnemo_jax.cli import main; main()", "boundary", str(grid.path))
    done = subprocess.run([*mnemo_, "--no-edges", "--json"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = json.loads(done.stdout)
    assert words["edges"] is None
    assert words["grid"] == told(grid, found)["grid"]
    assert {Path(path).name for path in words["figures"]} == {
        f"{name}.{kind}" for name in ("boundary", "uncertain") for kind in ("svg", "png")
    }
