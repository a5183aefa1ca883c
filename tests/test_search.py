"""Searches for critical points: complete lists where these are known, and what an audit says when one is missing."""

import json
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mnemo_jax as mnemo
from mnemo_jax import faces, flow, losses, orbits, pathways, search, seek, store, tables, terminal_search
from mnemo_jax.calculus import loss_of, typical_norms
from mnemo_jax.catalogue import Metric
from mnemo_jax.found import opened
from mnemo_jax.judge import Judge
from mnemo_jax.landscape import Landscape, Symmetry
from mnemo_jax.polish import Scales
from mnemo_jax.query import ask
from mnemo_jax.types import Kind, Outcome

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("searches")


def wells(x):
    return jnp.sum(x**4 - 4 * x**2 + 1)


def double_wells(dim, **fields):
    return Landscape(loss=wells, dim=dim, lower=(-3.0,), upper=(3.0,), name="double_wells", **fields)


def by_index(found):
    inside = found.inside_box
    return np.bincount(found.catalogue.index[inside], minlength=found.catalogue.x.shape[1] + 1).tolist()


def space(landscape):
    """Return loss, arguments and scales in float64."""
    loss, args = loss_of(landscape, jnp.float64)
    low, high = np.asarray(landscape.lower), np.asarray(landscape.upper)
    x = np.random.default_rng(0).uniform(low, high, (256, landscape.dim))
    *norms, _ = typical_norms(x, x[:32], args, loss=loss)
    return loss, args, Scales(jnp.float64(0.5 * np.max(high - low)), *norms)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(
    ("name", "args", "numbers"),
    [
        ("himmelblau", {}, [4, 4, 1]),
        ("six_hump_camel", {}, [6, 7, 2]),
        ("mueller_brown", {}, [3, 2, 0]),
        ("rastrigin", {"dim": 2}, [121, 220, 100]),
    ],
)
def test_complete_lists(out, name, args, numbers):
    """Rastrigin: in each axis 11 minima and 10 maxima lie in [-5.12, 5.12]."""
    landscape = losses.build(name, args)
    found = mnemo.find_critical_points(landscape, out=out)
    assert by_index(found) == numbers
    assert found.audit["verdict"] == "consistent"
    assert (found.audit["sum"], found.audit["expected"]) == (1, 1)
    known = {(point.kind, tuple(np.round(point.x, 6))) for point in landscape.known}
    listed = {
        (Kind(k).word, tuple(np.round(x, 6))) for k, x in zip(found.catalogue.kind, found.catalogue.x, strict=True)
    }
    assert {(kind, tuple(np.array(x) + 0.0)) for kind, x in known} <= {(k, tuple(np.array(x) + 0.0)) for k, x in listed}


@pytest.mark.parametrize("dim", [1, 2, 4, 6])
def test_sums_of_double_wells(out, dim):
    """Each axis has two minima and a maximum: C(d, k) 2^(d - k) points of index k, 3^d in all."""
    found = mnemo.find_critical_points(double_wells(dim), out=out)
    assert by_index(found) == [comb(dim, k) * 2 ** (dim - k) for k in range(dim + 1)]
    assert found.audit["verdict"] == "consistent"


@pytest.mark.parametrize("seed", range(30))
def test_on_the_torus_indices_sum_to_zero(out, seed):
    """Morse: as many points of even as of odd index, and by the inequalities two saddles at least."""
    landscape = losses.build("random_trigonometric", {"seed": seed})
    found = mnemo.find_critical_points(landscape, out=out, seeking=mnemo.Seeking(count=1024, along=256, heights=256))
    numbers = by_index(found)
    assert numbers[0] - numbers[1] + numbers[2] == 0
    assert numbers[1] >= 2
    assert (found.audit["sum"], found.audit["verdict"]) == (0, "consistent")


def test_on_the_circle_half_the_points_are_minima(out):
    for seed in range(5):
        landscape = losses.build("random_trigonometric", {"dim": 1, "order": 4, "terms": 6, "seed": seed})
        numbers = by_index(mnemo.find_critical_points(landscape, out=out))
        assert numbers[0] == numbers[1] > 0


@pytest.mark.parametrize(("left_out", "parity"), [("saddle", "odd"), ("minimum", "even"), ("maximum", "even")])
def test_a_point_left_out_is_missed(out, left_out, parity):
    points = [point.x for point in losses.build("himmelblau").known]
    kinds = [point.kind for point in losses.build("himmelblau").known]
    del points[kinds.index(left_out)]
    found = mnemo.find_critical_points(
        "himmelblau", starts=np.array(points), seeking=mnemo.Seeking(rounds=0), out=out, name=left_out
    )
    assert len(found.catalogue.x) == 8
    assert found.audit["verdict"] == "missing"
    assert f"a point of {parity} index is missing" in found.audit["message"]
    again = mnemo.find_critical_points("himmelblau", starts=np.array(points), out=out, name=left_out)
    assert again.audit["verdict"] == "consistent", "further rounds look for it"
    assert len(again.catalogue.x) == 9


@pytest.mark.parametrize("seed", range(12))
def test_boxes_that_cut_through(out, seed):
    """Whatever the box, its inside and its faces together have the Euler characteristic one."""
    draw = np.random.default_rng(seed)
    name = ("himmelblau", "six_hump_camel")[seed % 2]
    whole = losses.build(name)
    centre = draw.uniform(whole.lower, whole.upper)
    size = draw.uniform(0.2, 0.8, 2) * (np.array(whole.upper) - np.array(whole.lower))
    box = Landscape(loss=whole.loss, dim=2, lower=tuple(centre - size), upper=tuple(centre + size), name=name)
    found = mnemo.find_critical_points(box, out=out, seeking=mnemo.Seeking(count=512, along=64, heights=64))
    assert found.audit["verdict"] == "consistent", found.audit
    assert found.audit["interior"] + (found.audit["boundary"] or 0) == 1


def test_a_box_in_three_dimensions_that_cuts_through(out):
    torus = losses.build("random_trigonometric", {"dim": 3, "seed": 3})
    box = Landscape(loss=torus.loss, dim=3, lower=(0.3, -0.5, 1.0), upper=(4.0, 2.9, 5.0), args=torus.args, name="cut")
    found = mnemo.find_critical_points(box, out=out)
    assert found.audit["verdict"] == "consistent", found.audit
    assert found.audit["boundary"] is not None


def of(function, dim, name, lower=-2.0, upper=2.3, **args):
    return Landscape(loss=function, dim=dim, lower=lower, upper=upper, name=name, args=args)


def powers(x, factors):
    """Add up powers of every coordinate, with factors ``[7, dim]``: one program serves all of these polynomials."""
    total = factors[6]
    for factor in factors[5::-1]:
        total = factor + x * total
    return jnp.sum(total)


def polynomial(name, *axes, lower=-2.0, upper=2.3):
    """Return a sum of powers of each coordinate, given by their factors."""
    factors = np.array([[axis.get(power, 0.0) for axis in axes] for power in range(7)])
    return of(powers, len(axes), name, lower, upper, factors=factors)


ISOLATED = {
    "x4": ([{4: 1}], "point 0 as a minimum (+1)"),
    "minus_x4": ([{4: -1}], "point 0 as a maximum (-1)"),
    "x6": ([{6: 1}], "point 0 as a minimum (+1)"),
    "x3": ([{3: 1}], "point 0 as an inflection (0)"),
    "x5": ([{5: 1}], "point 0 as an inflection (0)"),
    "x2_y4": ([{2: 1}, {4: 1}], "point 0 as a minimum (+1)"),
}


@pytest.mark.parametrize("name", ISOLATED)
def test_degenerate_points_count_where_they_are_isolated(out, name):
    """Brouwer: an isolated minimum counts 1, a maximum (-1)^d, an inflection 0; with the ends of a box it makes 1."""
    axes, told = ISOLATED[name]
    found = mnemo.find_critical_points(polynomial(name, *axes), out=out)
    assert (found.audit["verdict"], found.audit["sum"]) == ("consistent", 1)
    assert found.audit["message"].endswith(f"Degenerate but isolated, counted by higher derivatives: {told}.")


def test_an_inflection_beside_a_minimum_counts_for_nothing(out):
    """3 x^4 - 4 x^3 has an inflection at 0 and its minimum at 1."""
    found = mnemo.find_critical_points(polynomial("beside", {4: 3, 3: -4}), out=out)
    assert len(found.catalogue.x) == 2
    assert (found.audit["verdict"], found.audit["interior"]) == ("consistent", 1)
    assert found.audit["numbers"] == [1, 0]


@pytest.mark.parametrize(
    ("landscape", "why"),
    [
        (of(lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, 2, "monkey"), "degenerate saddles, as at point 0"),
        (polynomial("x2_y3", {2: 1}, {3: 1}), "degenerate saddles, as at point 0"),
        (of(lambda x: (x[0] - x[1] ** 2) ** 2, 2, "floor"), "not isolated at point 0"),
        (of(lambda x: x[0] ** 2 * x[1] ** 2, 2, "crossing"), "not isolated at points 1 and 2"),
        (polynomial("two_quartics", {4: 1}, {4: 1}), "the null space at point 0"),
        (of(lambda x: jnp.sqrt(1e-30 + jnp.sum(x**2)), 2, "cone"), "not twice differentiable at point 0"),
        # its sides have degenerate maxima of their own, at which searches end a little way off
        (polynomial("hill", {2: -1}, {4: -1}), "on the lower side of axis 0, at x = (-2, "),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_void_audits_name_what_they_rest_on(out, landscape, why):
    found = mnemo.find_critical_points(landscape, out=out)
    assert (found.audit["verdict"], found.audit["sum"]) == ("void", None)
    assert why in found.audit["message"]


def test_void_audits_name_the_side(out):
    edge = mnemo.find_critical_points(polynomial("edge", {1: -2, 2: 1}, {2: 1}, lower=-1.0, upper=1.0), out=out)
    assert "boundary is not resolved: on the upper side of axis 0, at x = (1, " in edge.audit["message"]
    assert "neither grows nor falls inward" in edge.audit["message"]
    wide = mnemo.find_critical_points(of(lambda x: jnp.sum(x**2) - 9 * x[4], 6, "wide", -1.0, 1.0), out=out)
    assert "does not grow outward on the upper side of axis 4" in wide.audit["message"]
    assert "up to 4 dimensions" in wide.audit["message"]


def test_void_audits_say_where_the_loss_is_no_number(out):
    """log(x + 1) is minus infinity where x = -1 (a side, whose slope has a sign) and no number below."""

    def log(x):
        return x[0] ** 2 - jnp.log(x[0] + 1) + x[1] ** 2

    wide = mnemo.find_critical_points(of(log, 2, "log", -1.5, 2.0), out=out)
    assert "no number in a part of the box, as at x = (-1." in wide.audit["message"]
    # At the end of a box the loss may be infinite, where its slope still says that it grows outward.
    assert mnemo.find_critical_points(of(log, 2, "barrier", -1.0, 2.0), out=out).audit["verdict"] == "consistent"
    # 0 * log(0) is no number, though it is one everywhere inside
    side = of(lambda x: x[0] ** 2 + x[1] * jnp.log(x[1]), 2, "side", (-1.0, 0.0), (1.0, 2.0))
    message = mnemo.find_critical_points(side, out=out).audit["message"]
    assert "on the lower side of axis 1, at x = (" in message
    assert "is no number" in message
    deep = of(lambda x: jnp.sum(x**2) + x[5] * jnp.log(x[5]), 6, "deep", (-1.0,) * 5 + (0.0,), (1.0,) * 6)
    assert (
        "the loss is no number on the lower side of axis 5"
        in (mnemo.find_critical_points(deep, out=out).audit["message"])
    )


def test_pathways_join_the_minima_on_both_sides(out):
    """Of a sum of double wells, an index-1 saddle sits between two minima, four below it."""
    found = mnemo.find_critical_points(double_wells(3), out=out)
    paths, x = found.pathways().to_pandas(), found.catalogue.x
    assert len(paths) == 12
    np.testing.assert_allclose(paths[["barrier0", "barrier1"]], 4.0, atol=1e-12)
    np.testing.assert_allclose(0.5 * (x[paths.minimum0] + x[paths.minimum1]), x[paths.saddle], atol=1e-9)


def test_gradient_flat_points_are_told_apart(out):
    """x^3/3 + x has slope 1 at 0, its smallest, and no critical point (its slope is 1 + x^2)."""
    found = mnemo.find_critical_points(polynomial("flat", {3: 1 / 3, 1: 1}, upper=2.0), out=out)
    assert found.summary["catalogue_size"] == 0
    assert found.summary["outcomes"]["gradient_flat"] == found.summary["searches"]
    (place,) = found.summary["gradient_flat"]["points"]
    np.testing.assert_allclose(place["x"], 0.0, atol=1e-5)
    assert place["gradient"] == pytest.approx(1.0)
    assert found.audit["verdict"] == "consistent", "the left end is the minimum of the box"


def test_zero_modes_that_were_declared_are_no_degeneracy(out):
    """Five oscillators in a ring: the twisted states of winding -1, 0 and 1, and saddles of index one between them."""
    found = mnemo.find_critical_points("oscillator_ring", out=out)
    assert "Bott" in found.audit["message"]
    assert set(found.catalogue.nullity[found.catalogue.kind == Kind.MINIMUM]) == {1}
    paths = found.pathways().to_pandas()
    assert len(paths) > 0
    assert paths[["minimum0", "minimum1"]].notna().all().all()


def test_symmetric_points_are_counted_by_orbit(out):
    signs = double_wells(3, symmetries=(Symmetry(kind="permutation"), Symmetry(kind="sign")))
    found = mnemo.find_critical_points(signs, out=out)
    table = found.catalogue
    assert len(table.x) == 4
    # C(3, k) ways to choose the coordinates at the maximum, a sign for each other one
    assert dict(zip(table.index.tolist(), found.summary["orbits"], strict=True)) == {0: 8, 1: 12, 2: 6, 3: 1}
    assert found.audit["numbers"] == [8, 12, 6, 1]
    assert found.audit["verdict"] == "consistent"


def test_a_symmetry_that_is_none_is_found_out(out, monkeypatch):
    """A true sign symmetry leaves members in balance, a tilt that was declared away and let pass does not."""
    true = double_wells(2, symmetries=(Symmetry(kind="sign"),))
    balance = mnemo.find_critical_points(true, out=out).summary["balance"]
    assert balance["orbits"] == 3
    assert balance["p"] > 1e-3
    tilted = losses.build("double_well", {"tilt": 0.6})
    false = Landscape(
        loss=tilted.loss, dim=1, lower=(-3.0,), upper=(3.0,), args=tilted.args, symmetries=(Symmetry(kind="sign"),)
    )
    monkeypatch.setattr("mnemo_jax.plan.check_images", lambda *_: None)
    ends = mnemo.find_critical_points(false, out=out)
    assert ends.summary["balance"]["p"] < 1e-9
    shifted = Landscape(
        loss=wells, dim=2, lower=(-3.0,), upper=(2.0,), symmetries=(Symmetry(kind="sign"),), name="shifted"
    )
    assert mnemo.find_critical_points(shifted, out=out).summary["balance"] is None


def shown(found, capsys):
    terminal_search.show(found, 20)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("landscape", "told"),
    [
        (polynomial("x3", {3: 1}, lower=-4.0, upper=4.5), "1 inflection"),
        (of(lambda x: x[0] + jnp.sin(x[0]), 1, "steps", -4.0, 4.5), "2 inflections"),  # and a third one outside
        (polynomial("x2_y3", {2: 1}, {3: 1}, lower=-4.0, upper=4.5), "1 saddle"),
        (polynomial("line", {0: 1}, lower=-4.0, upper=4.5), "1 line of constant loss"),
        (polynomial("region", {0: 1}, {}, lower=-4.0, upper=4.5), "1 region of constant loss"),
        (
            of(lambda x: (x[0] ** 2 + x[1] ** 2 - 1) ** 2, 2, "ring", -4.0, 4.5),
            "1 flat family of minima and 1 maximum",
        ),
        (of(lambda x: x[0] ** 10, 1, "x10", -4.0, 4.5), "1 degenerate point"),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_the_headline_says_what_was_found(out, landscape, told):
    found = mnemo.find_critical_points(landscape, out=out)
    assert terminal_search.sentence(found).removesuffix(", and 1 point outside it").endswith(f"found {told} in the box")


def test_a_pathway_that_leads_to_no_minimum_says_why(out, capsys):
    """The saddle of x^3/3 - x + y^2 at (-1, 0) has the minimum at (1, 0) on one side, a loss without end on the other.

    A square root that adds nothing but its domain ends that side at x = -1.5.
    """
    open_ = polynomial("open", {3: 1 / 3, 1: -1}, {2: 1})
    cut = of(lambda x: x[0] ** 3 / 3 - x[0] + x[1] ** 2 + 0.0 * jnp.sqrt(x[0] + 1.5), 2, "cut", -1.4, 2.0)
    for landscape, end, told in ((open_, "escaped", "escaped"), (cut, "non_finite", "not finite")):
        found = mnemo.find_critical_points(landscape, out=out)
        (path,) = found.pathways().to_pylist()
        assert {path["end0"], path["end1"]} == {"minimum", end}
        assert {path["minimum0"], path["minimum1"]} == {0, None}
        row = shown(found, capsys).split("Pathways")[1].splitlines()[2]
        assert told in row
        assert "1.33333" in row


def test_where_flows_ended():
    outcome = np.array([Outcome.CONVERGED] * 3 + [Outcome.OUT_OF_STEPS] * 2 + [Outcome.ESCAPED, Outcome.NON_FINITE])
    none = np.full(7, -1)
    minima, others, inside = none.copy(), none.copy(), np.array([1, 1, 1, 1, 0, 0, 1], bool)
    minima[0], others[2] = 4, 5
    ends = [pathways.ENDS[k] for k in pathways.ends_of(outcome, minima, others, inside)]
    assert ends == ["minimum", "unlisted", "no_minimum", "out_of_steps", "left_box", "escaped", "non_finite"]
    assert set(terminal_search.LED) == set(pathways.ENDS) - {"minimum"}


def test_a_small_loss_prints_its_levels(out, capsys):
    """A tilted double well scaled by 1e-15 has the levels of the whole one, scaled."""

    def tilted(x, scale):
        return scale * (x[0] ** 4 - 4 * x[0] ** 2 + 1 + 0.5 * x[0])

    whole, small = (of(tilted, 1, name, -3.0, 3.0, scale=scale) for name, scale in (("whole", 1.0), ("small", 1e-15)))
    rows = [line.split() for line in shown(mnemo.find_critical_points(small, out=out), capsys).splitlines()]
    told = [float(row[2]) for row in rows if len(row) > 3 and row[3] in ("minimum", "maximum")]
    np.testing.assert_allclose(told, 1e-15 * mnemo.find_critical_points(whole, out=out).catalogue.loss, rtol=1e-7)


def test_rounding_around_zero_prints_as_zero(out, capsys):
    """Himmelblau's four minima are zero, the Hessian's rounding aside."""
    found = mnemo.find_critical_points("himmelblau", out=out)
    rows = [line.split() for line in shown(found, capsys).splitlines()]
    assert [row[3] for row in rows if "minimum" in row[4:5]] == ["0"] * 4
    bowl = of(lambda x: jnp.sum((x - 0.1) ** 2), 2, "bowl")
    assert " 0.1, 0.1     0  minimum" in shown(mnemo.find_critical_points(bowl, out=out), capsys)
    assert tables.dust(np.array([1e-31, 3e-31]), {"hessian": 100.0, "length": 5.0}) > 1e-12
    assert tables.dust(np.array([0.0, 1.0]), {"hessian": 100.0, "length": 5.0}) == 1e-12


@pytest.mark.parametrize("name", ["double_well", "himmelblau", "random_trigonometric"])
def test_no_other_point_lies_within_a_radius(out, name):
    found = mnemo.find_critical_points(name, out=out)
    table, (low, high) = found.catalogue, (np.array(found.config["loss"][key]) for key in ("lower", "upper"))
    gaps = np.abs(table.x[:, None] - table.x)
    gaps = np.where(found.config["loss"]["periodic"], np.minimum(gaps, high - low - gaps), gaps)
    apart = np.linalg.norm(gaps, axis=2) + np.where(np.eye(len(table.x)), np.inf, 0.0)
    assert np.all(table.radius > 0)
    assert np.all(table.radius <= apart.min(axis=1))


def test_a_search_must_look_somewhere(tmp_path):
    with pytest.raises(mnemo.UserError, match="nothing would be looked at"):
        mnemo.find_critical_points("himmelblau", seeking=mnemo.Seeking(count=0, along=0, heights=0), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_starts_must_be_numbers(out):
    with pytest.raises(mnemo.UserError, match="not finite"):
        mnemo.find_critical_points("himmelblau", starts=np.array([[np.nan, 0.0]]), out=out)


def test_orbits_of_blocks():
    landscape = double_wells(4, symmetries=(Symmetry(kind="permutation", block=2), Symmetry(kind="sign", joint=True)))
    x = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 1.0, 2.0], [1.0, 2.0, -1.0, -2.0], [0.0, 0.0, 0.0, 0.0]])
    assert orbits.sizes(x, landscape).tolist() == [4, 2, 2, 1]


def test_the_record_opens_and_says_the_same(out):
    found = mnemo.find_critical_points("himmelblau", out=out, name="record")
    again = mnemo.find_critical_points("himmelblau", out=out, name="record")
    assert again.path == found.path
    fresh = mnemo.find_critical_points("himmelblau", out=out, name="record", fresh=True)
    assert fresh.path != found.path
    assert fresh.fingerprint == found.fingerprint
    told = json.loads(json.dumps(found.json(), allow_nan=False))
    assert {"audit", "gradient_flat", "catalogue", "pathways", "outcomes"} <= set(told)
    assert {"verdict", "sum", "expected", "message"} <= set(told["audit"])
    assert sum(told["outcomes"].values()) == told["searches"] == found.searches().num_rows
    assert sum(point["count"] for point in told["catalogue"]) == told["outcomes"]["converged"]
    with pytest.raises(mnemo.UserError, match="record of a search"):
        mnemo.load(found.path)
    assert opened(found.path).json() == mnemo.CriticalPoints(str(found.path)).json() == found.json()
    run = mnemo.survey("himmelblau", starts=20, out=out, devices=1)
    assert opened(run.path).json() == mnemo.load(run.path).json()
    for folder in (run.path, out / "nowhere"):
        with pytest.raises(mnemo.UserError, match="is not the folder of a finished search"):
            mnemo.CriticalPoints(folder)
    store.write_json(found.path / "provenance.json", found.provenance | {"schema": store.SCHEMA + 1})
    with pytest.raises(mnemo.UserError, match=f"has schema {store.SCHEMA + 1}, and"):
        opened(found.path)


def test_searches_are_queried_as_runs_are(tmp_path):
    found = mnemo.find_critical_points("himmelblau", out=tmp_path)
    run = mnemo.survey("himmelblau", starts=50, out=tmp_path, devices=1)
    labels = ask(
        "SELECT label, count(*) AS n FROM searches WHERE label >= 0 GROUP BY label ORDER BY label", [found.path]
    )
    assert labels["n"].to_pylist() == found.catalogue.count[found.catalogue.count > 0].tolist()
    joined = "FROM pathways p JOIN catalogue c ON c.label = p.saddle"
    heights = ask(f"SELECT c.kind, p.barrier0 >= 0 AS up {joined} WHERE minimum0 IS NOT NULL", [found.path])
    assert set(heights["kind"].to_pylist()) == {"saddle"}
    assert all(heights["up"].to_pylist())
    sizes = ask("SELECT run, count(*) AS n FROM catalogue GROUP BY run", folder=tmp_path).to_pylist()
    assert {row["run"]: row["n"] for row in sizes} == {r.path.name: len(r.catalogue.x) for r in (found, run)}
    assert ask("SELECT count(*) AS n FROM starts", folder=tmp_path).to_pylist() == [{"n": 50}]
    for view, folder, there in (("starts", found, "catalogue, pathways, searches"), ("pathways", run, "catalogue, st")):
        with pytest.raises(mnemo.UserError, match=rf"{view} does not exist.*\(views here: {there}"):
            ask(f"SELECT * FROM {view}", [folder.path])


@pytest.mark.usefixtures("x64")
def test_climbing_goes_to_the_index_asked_for():
    landscape = double_wells(4)
    loss, args, scales = space(landscape)
    draw = np.random.default_rng(0)
    x, index = draw.uniform(-2.0, 2.0, (200, 4)), draw.integers(0, 5, 200).astype(np.int32)
    found = seek.sought(x, index, np.zeros(4), args, scales, loss=loss, how="climb")
    arrived = found.outcome == Outcome.CONVERGED
    assert arrived.mean() > 0.6
    at_maximum = np.abs(found.x[arrived]) < 1e-9
    np.testing.assert_array_equal(at_maximum.sum(axis=1), index[arrived])


@pytest.mark.usefixtures("x64")
def test_a_search_does_not_depend_on_its_company():
    landscape = losses.build("himmelblau")
    loss, args, scales = space(landscape)
    x = np.random.default_rng(1).uniform(-5.0, 5.0, (1500, 2))
    free = np.ones(x.shape, bool)
    whole = seek.sought(x, free, np.zeros(2), args, scales, loss=loss)
    part = seek.sought(x[::-1], free, np.zeros(2), args, scales, loss=loss)
    assert whole.x.tobytes() == part.x[::-1].tobytes()


@pytest.mark.usefixtures("x64")
def test_descents_of_searches_compile_once_and_end_where_they_should():
    """Down x^2 + y^2 a step is 1/100 of the box, until the gradient is small."""
    traced = []

    def bowl(x):
        traced.append(x)
        return jnp.sum(x**2)

    landscape = Landscape(loss=bowl, dim=2, lower=(-1.0,), upper=(1.0,))
    loss, args, scales = space(landscape)
    metric = Metric(np.full(2, -1.0), np.zeros(2), 1.0, 1.0)
    judge = Judge(landscape, loss, args, scales, metric, None, 1e-8)
    x, steps = np.random.default_rng(0).uniform(-1.0, 1.0, (60, 2)), np.arange(60)
    ends = search._descended(judge, x, steps)
    far = np.linalg.norm(x, axis=1)
    gone = far - np.linalg.norm(ends, axis=1)
    free = far - 0.01 * steps > 0.02
    np.testing.assert_allclose(gone[free], 0.01 * steps[free], atol=1e-12)
    assert np.all(np.linalg.norm(ends[~free], axis=1) < 0.03)
    before = len(traced)
    again = search._descended(judge, x[:33], steps[:33])  # as many as are filled up to the same tile
    assert len(traced) == before
    np.testing.assert_array_equal(again, ends[:33])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["himmelblau", "six_hump_camel", "mueller_brown"])
def test_the_flow_agrees_with_an_ode_solver(name):
    from scipy.integrate import solve_ivp

    landscape = losses.build(name)
    loss, args, scales = space(landscape)
    x = np.random.default_rng(2).uniform(landscape.lower, landscape.upper, (40, 2))
    ended = flow.flowed(x, args, scales, loss=loss)
    assert np.all(ended.outcome == Outcome.CONVERGED)
    slope = jax.jit(jax.grad(lambda y: loss(y, args)))
    for start, end in zip(x, ended.x, strict=True):
        exact = solve_ivp(lambda _, y: -np.asarray(slope(y)), (0, 50), start, method="LSODA", rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(end, exact.y[:, -1], atol=1e-3)


@pytest.mark.usefixtures("x64")
def test_points_of_the_faces_by_hand():
    """x + y on the unit square grows inward in both normals at (0, 0) alone; x^2 - y at (0, 1)."""
    for function, expected in [
        (lambda x: x[0] + x[1], [0.0, 0.0]),
        (lambda x: x[0] ** 2 + 0.1 * x[0] - x[1], [0.0, 1.0]),
    ]:
        landscape = Landscape(loss=function, dim=2, lower=(0.0,), upper=(1.0,))
        loss, args, scales = space(landscape)
        edge = faces.edges(landscape, args, scales, 0, loss=loss)
        np.testing.assert_array_equal(edge.x, [expected])
        assert edge.index.tolist() == [0]
    # -(x - 1/2)^2 + y: along the lower side a maximum, of index 1 in it, and the two corners beside it
    landscape = Landscape(loss=lambda x: -((x[0] - 0.5) ** 2) + x[1], dim=2, lower=(0.0,), upper=(1.0,))
    loss, args, scales = space(landscape)
    edge = faces.edges(landscape, args, scales, 0, loss=loss)
    assert sorted(zip(edge.x.round(9).tolist(), edge.index.tolist(), strict=True)) == [
        ([0.0, 0.0], 0),
        ([0.5, 0.0], 1),
        ([1.0, 0.0], 0),
    ]
