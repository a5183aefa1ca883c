"""Whole runs from Python: what they find, on landscapes whose maps are known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mnemo_jax as mnemo
from mnemo_jax import losses, store, terminal
from mnemo_jax.errors import UserError
from mnemo_jax.landscape import Landscape, Symmetry
from mnemo_jax.starts import drawer
from mnemo_jax.types import Kind

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def survey(*args, **kwargs):
    """Run on one device: every further one compiles its own programs."""
    return mnemo.survey(*args, devices=1, **kwargs)


def tilted(tilt=1.0):
    landscape = losses.build("double_well", {"tilt": tilt})
    maximum = next(point.x[0] for point in landscape.known if point.kind == "maximum")
    return landscape, (maximum + 3.0) / 6.0  # share of uniform starts left of the maximum


def test_parabola(out):
    record = survey("parabola", starts=500, out=out)
    assert len(record.catalogue.x) == 1
    np.testing.assert_allclose(record.catalogue.x[0], [2.0], atol=1e-14)
    np.testing.assert_allclose(record.catalogue.loss, [1.0], atol=1e-14)
    np.testing.assert_allclose(record.catalogue.eigenvalues, [[2.0]], atol=1e-13)
    assert record.outcomes["converged"] == record.shares.count[0] == 500


def test_double_well(out):
    record = survey("double_well", starts=4000, out=out)
    minima = record.catalogue.kind == Kind.MINIMUM
    np.testing.assert_allclose(np.sort(record.catalogue.x[minima, 0]), [-np.sqrt(2), np.sqrt(2)], atol=1e-14)
    np.testing.assert_allclose(record.catalogue.loss[minima], -3.0, atol=1e-14)
    np.testing.assert_allclose(record.catalogue.eigenvalues[minima, 0], 16.0, rtol=1e-13)
    shares = record.shares.share[minima]
    assert np.all(np.abs(shares - 0.5) < 4 * np.sqrt(0.25 / 4000))
    assert np.all((record.shares.interval[minima, 0] < shares) & (shares < record.shares.interval[minima, 1]))


def test_from_exactly_zero_the_double_well_converges_at_its_maximum(out):
    record = survey("double_well", starts=np.array([[0.0]]), out=out)
    assert record.outcomes["converged"] == 1
    assert record.catalogue.kind.tolist() == [Kind.MAXIMUM]
    assert record.shares.count.tolist() == [1]
    assert record.summary["stalls"]["total"] == 0 or record.summary["stalls"]["places"][0]["at"] == "maximum"


def test_shares_equal_the_exactly_known_basins(out):
    """Gradient descent with a small step is monotone in one dimension: the basin ends at the maximum."""
    landscape, share = tilted()
    record = survey(landscape, starts=20_000, learning_rate=0.005, out=out)
    left = int(np.argmin(record.catalogue.x[:, 0]))
    assert abs(record.shares.share[left] - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def test_separable_shares_are_products(out):
    """A sum of tilted double wells: each basin is the product of the intervals of its coordinates."""
    _, share = tilted()

    record = survey(
        Landscape(loss=_two_wells, dim=2, lower=(-3.0,), upper=(3.0,), learning_rate=0.005), starts=20_000, out=out
    )
    minima = record.catalogue.kind == Kind.MINIMUM
    assert minima.sum() == 4
    for x, found in zip(record.catalogue.x[minima], record.shares.share[minima], strict=True):
        exact = np.prod(np.where(x < 0, share, 1 - share))
        assert abs(found - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000)


def _two_wells(x):
    return jnp.sum(x**4 - 4 * x**2 + x)


def test_intervals_cover_known_shares(out):
    """200 seeds, 95 % intervals: coverage 95 % +- 3.1 % (two standard errors)."""
    landscape, share = tilted()
    covered = 0
    for seed in range(200):
        record = survey(landscape, starts=300, seed=seed, learning_rate=0.01, out=out)
        row = int(np.argmin(record.catalogue.x[:, 0]))
        low, high = record.shares.interval[row]
        covered += low <= share <= high
    assert abs(covered / 200 - 0.95) <= 0.031


def test_himmelblau_to_ten_digits(out):
    record = survey("himmelblau", starts=2000, out=out)
    known = np.array([p.x for p in losses.build("himmelblau").known if p.kind == "minimum"])
    found = record.catalogue.x[record.catalogue.kind == Kind.MINIMUM]
    assert found.shape == (4, 2)
    gaps = np.linalg.norm(found[:, None] - known[None], axis=-1)
    assert np.all(gaps.min(axis=1) < 1e-10)
    assert set(gaps.argmin(axis=1)) == {0, 1, 2, 3}


def test_rastrigin_finds_every_minimum_of_its_box(out):
    record = survey("rastrigin", starts=20_000, out=out)
    inside = (record.catalogue.kind == Kind.MINIMUM) & record.inside_box
    assert inside.sum() == 121  # 11 per axis
    grid = np.unique(np.round(record.catalogue.x[inside, 0], 6))
    assert len(grid) == 11


@pytest.mark.parametrize(("rate", "wrong"), [(0.01, 0.0), (0.08, 0.1814), (0.12, None)])
def test_large_steps_reach_wrong_basins(rate, wrong, out):
    """DESIGN 10: on the quartic 18.14 % of the converged starts end on the other side at learning rate 0.08."""
    record = survey("double_well", starts=10_000, learning_rate=rate, out=out)
    table = record.starts("outcome", "label")
    with jax.enable_x64(True):
        x0 = np.asarray(drawer(mnemo.Uniform(count=10_000), losses.build("double_well"), 0)(0, 10_000))[:, 0]
    x = x0.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(2000):
            x = x * (1 + 8 * rate - 4 * rate * x**2)
    bound = np.sqrt((2 + 8 * rate) / (4 * rate))  # |x| above it grows
    escaped = np.array(table["outcome"].to_pylist()) == "escaped"
    np.testing.assert_array_equal(escaped, np.abs(x0) > bound)
    label = table["label"].to_numpy()[~escaped].astype(int)
    np.testing.assert_allclose(record.catalogue.x[label, 0], x[~escaped], atol=1e-7)
    share = np.mean(np.sign(x[~escaped]) != np.sign(x0[~escaped]))
    if wrong is not None:
        assert abs(share - wrong) <= 4 * np.sqrt(wrong * (1 - wrong) / 10_000)


def test_no_convergence_above_an_eighth(out):
    record = survey("double_well", starts=2000, learning_rate=0.13, stop=mnemo.Stop(max_steps=3000), out=out)
    assert record.outcomes["converged"] == 0


def test_a_valley_is_one_entry(out):
    record = survey("valley", starts=2000, out=out)
    assert len(record.catalogue.x) == 1
    assert record.catalogue.kind.tolist() == [Kind.MINIMUM]
    assert record.catalogue.nullity.tolist() == [1]
    assert record.catalogue.family.tolist() == [1]
    assert record.shares.count.tolist() == [2000]


def _ring(x):
    return -jnp.sum(jnp.cos(jnp.roll(x, -1) - x))


@pytest.mark.parametrize("declared", [True, False])
def test_a_ring_of_oscillators_has_three_states(declared, out):
    """Five phases on a ring: in step (-5) and two twisted states (-5 cos 72 deg), each a circle of points."""
    symmetries = (Symmetry(kind="translation"),) if declared else ()
    landscape = Landscape(
        loss=_ring,
        dim=5,
        lower=(0.0,),
        upper=(2 * np.pi,),
        periodic=(True,),
        symmetries=symmetries,
        learning_rate=0.25,
        name="ring",
    )
    record = survey(landscape, starts=1500, out=out)
    minima = record.catalogue.kind == Kind.MINIMUM
    np.testing.assert_allclose(record.catalogue.loss[minima], [-5, *[-5 * np.cos(2 * np.pi / 5)] * 2], atol=1e-12)
    assert set(record.catalogue.nullity[minima]) == {1}
    assert set(record.catalogue.family[minima]) == {0 if declared else 1}


def test_every_start_escapes(out):
    record = survey("double_well", starts=300, learning_rate=3.0, out=out)
    assert record.outcomes["escaped"] == 300
    assert len(record.catalogue.x) == 0
    assert record.json()["catalogue"] == []


def test_known_points_given_as_starts_are_labelled(out):
    landscape = losses.build("himmelblau")
    starts = np.array([point.x for point in landscape.known])
    record = survey(landscape, starts=starts, out=out)
    for point, label in zip(landscape.known, record.starts("label")["label"].to_pylist(), strict=True):
        assert Kind(int(record.catalogue.kind[label])).word == point.kind
        np.testing.assert_allclose(record.catalogue.x[label], point.x, atol=1e-12)


def test_ackleys_origin_is_a_kink(out):
    record = survey("ackley", starts=np.array([[0.0, 0.0]]), out=out)
    assert record.catalogue.kind.tolist() == [Kind.KINK]
    assert record.shares.count.tolist() == [0]
    assert record.starts("near")["near"].to_pylist() == [0]


def test_pytrees_observables_and_endpoints(out):
    def loss(tree):
        return jnp.sum((tree["a"] - 1.0) ** 2) + (tree["b"] + 2.0) ** 2

    landscape = mnemo.from_pytree(
        loss, {"a": jnp.zeros(2), "b": jnp.zeros(())}, lower=(-4.0,), upper=(4.0,), learning_rate=0.1, name="tree"
    )
    record = survey(
        landscape,
        starts=200,
        out=out,
        observables={"total": jnp.sum},
        recording=mnemo.Recording(endpoints=True, paths=3),
    )
    np.testing.assert_allclose(record.catalogue.x, [[1.0, 1.0, -2.0]], atol=1e-12)
    np.testing.assert_allclose(record.starts("total")["total"].to_numpy(), 0.0, atol=1e-6)
    assert record.starts("x", "loss").num_rows == 200
    assert len(record.paths()) == 3
    np.testing.assert_allclose(record.summary["observables"]["total"]["mean"], [0.0], atol=1e-6)


def test_float32_is_stopped_at_its_own_rounding(out):
    with pytest.warns(UserWarning, match="below"):
        survey("double_well", starts=100, precision="float32", stop=mnemo.Stop(grad_tol=1e-9, max_steps=50), out=out)
    record = survey("double_well", starts=1000, precision="float32", out=out)
    assert record.outcomes["converged"] == 1000
    scale = record.summary["scales"]["gradient"]
    assert record.summary["grad_tol"] == pytest.approx(64 * np.finfo(np.float32).eps * scale)
    np.testing.assert_allclose(np.abs(record.catalogue.x[:2, 0]), np.sqrt(2), atol=1e-14)


def test_sobol_and_grid_carry_their_own_intervals(out):
    landscape, share = tilted()
    sobol = survey(landscape, starts=mnemo.Sobol(count=16 * 64), out=out)
    low, high = sobol.shares.interval[int(np.argmin(sobol.catalogue.x[:, 0]))]
    assert low <= share <= high
    assert high - low < 0.02
    assert sobol.summary["unseen"]["mass"] is None
    grid = survey(landscape, starts=mnemo.Grid(shape=(200,)), out=out)
    low, high = grid.shares.interval[int(np.argmin(grid.catalogue.x[:, 0]))]
    assert low <= share <= high
    assert high - low <= 0.0100001
    assert grid.summary["stalls"]["interval"] == [None, None]  # cells of a grid are no sample


def test_ends_once_it_is_as_sure_as_asked(out):
    """At looks after 16,384 starts and then twice as many, whatever the blocks."""
    landscape, share = tilted()
    until = mnemo.Until(half_width=0.006, unseen=0.01)
    record = survey(landscape, starts=200_000, until=until, out=out)
    # Wilson's half-width at a share p is 1.96 sqrt(p (1 - p) / n): below 0.006 from 26,600 starts on here.
    assert record.summary["starts"] == 32_768 == sum(record.outcomes.values())
    low, high = record.shares.interval[int(np.argmin(record.catalogue.x[:, 0]))]
    assert low <= share <= high <= low + 0.012
    assert record.summary["unseen"]["interval"][1] <= 0.01
    cut = survey(landscape, starts=200_000, until=until, recording=mnemo.Recording(block=4096), out=out)
    assert cut.path != record.path
    assert cut.fingerprint == record.fingerprint
    never = survey(landscape, starts=20_000, until=mnemo.Until(half_width=1e-6), out=out)
    assert never.summary["starts"] == 20_000


def test_what_cannot_be_known_until_then_is_said(tmp_path):
    with pytest.raises(UserError, match="until: asks for intervals"):
        survey("parabola", starts=mnemo.Grid(shape=(9,)), until=mnemo.Until(unseen=0.1), out=tmp_path)
    with pytest.raises(UserError, match=r"record\.block: 1000 does not divide 16384"):
        survey("parabola", starts=9, until=mnemo.Until(), recording=mnemo.Recording(block=1000), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_creases_are_no_points(out):
    """Of max(x, -2x) + y^2 the crease x = 0 slopes all along, but for its tip at y = 0."""
    landscape = Landscape(
        loss=lambda x: jnp.maximum(x[0], -2 * x[0]) + x[1] ** 2, dim=2, lower=(-1.0,), upper=(1.0,), learning_rate=0.01
    )
    record = survey(landscape, starts=50, stop=mnemo.Stop(max_steps=500), out=out)
    assert record.catalogue.kind.tolist() == [Kind.KINK]
    np.testing.assert_allclose(record.catalogue.x, 0, atol=1e-12)


def test_observables_are_looked_at_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"observables\.both: returns shape \(2,\), not a scalar"):
        survey("himmelblau", starts=10, observables={"both": lambda x: x}, out=tmp_path)
    with pytest.raises(UserError, match=r"observables\.third: fails"):
        survey("himmelblau", starts=10, observables={"third": lambda x: jnp.dot(x, jnp.ones(3))}, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_callers_precision_is_left_alone(out):
    before = jax.config.jax_enable_x64
    survey("parabola", starts=10, out=out)
    assert jax.config.jax_enable_x64 == before
    assert jnp.ones(1).dtype == (jnp.float64 if before else jnp.float32)


def test_what_is_no_landscape_is_said(tmp_path):
    with pytest.raises(UserError, match="give a Landscape"):
        mnemo.survey(lambda x: x**2, out=tmp_path)
    with pytest.raises(UserError, match="not a scalar"):
        mnemo.survey(Landscape(loss=lambda x: x, dim=2, lower=(-1.0,), upper=(1.0,)), out=tmp_path)
    with pytest.raises(UserError, match="precision: 'bfloat16'"):
        mnemo.survey("himmelblau", precision="bfloat16", out=tmp_path)
    for starts in ("x", [["a", "b"]], 2.5):
        with pytest.raises(UserError, match=r"^starts: .* is neither a whole number of starts nor points"):
            mnemo.survey("himmelblau", starts=starts, out=tmp_path)
    for seed in (-1, 2**63, 1.5, "x"):
        with pytest.raises(UserError, match=rf"^seed: {seed!r} is not a whole number from 0 to"):
            mnemo.survey("himmelblau", seed=seed, out=tmp_path)
    assert not list(tmp_path.iterdir())


def symmetric(loss, dim, *kinds, name, **fields):
    symmetries = tuple(Symmetry(kind=kind) for kind in kinds)
    return Landscape(loss=loss, dim=dim, lower=-3.0, upper=3.0, symmetries=symmetries, name=name, **fields)


def test_members_of_orbits_are_counted_and_held_against_each_other(tmp_path, monkeypatch):
    """A sum of double wells has four minima that a sign in each coordinate makes of one; a tilt leaves them unequal."""
    wells = symmetric(lambda x: jnp.sum(x**4 - 4 * x**2), 2, "sign", "permutation", name="wells")
    records = [
        survey(wells, learning_rate=0.01, starts=3000, out=tmp_path, recording=mnemo.Recording(block=block))
        for block in (1024, 3000)
    ]
    balance = records[0].summary["balance"]
    assert balance["orbits"] == 1
    assert balance["p"] > 1e-3
    assert records[0].fingerprint == records[1].fingerprint
    table = [store.read_table(path) for path in sorted((records[0].path / "members").glob("*"))]
    x = np.concatenate([store.matrix(part["x"]) for part in table])
    np.testing.assert_allclose(np.abs(x), np.sqrt(2), atol=1e-9)
    assert sum(part["count"].to_numpy().sum() for part in table) == records[0].shares.count.sum()
    monkeypatch.setattr("mnemo_jax.plan.check_images", lambda *_: None)  # which would refuse it
    tilted = symmetric(lambda x: jnp.sum(x**4 - 4 * x**2 + 0.6 * x), 1, "sign", name="tilted")
    record = survey(tilted, learning_rate=0.01, starts=3000, out=tmp_path)
    assert record.summary["balance"]["p"] < 1e-9
    assert any("2 orbits were not met equally often" in note for note in terminal.notes(record))


def test_starts_that_need_not_treat_members_alike_are_not_tested(tmp_path):
    wells = symmetric(lambda x: jnp.sum(x**4 - 4 * x**2), 1, "sign", name="wells")
    starts = mnemo.Uniform(count=100, lower=0.0, upper=3.0)
    record = survey(wells, learning_rate=0.01, starts=starts, out=tmp_path)
    assert record.summary["balance"] is None
    plain = survey("double_well", starts=100, out=tmp_path)
    assert "balance" not in plain.summary
    assert not (plain.path / "members").exists()


def test_a_loss_that_is_no_number_anywhere_is_refused_and_leaves_nothing(tmp_path):
    nowhere = mnemo.Landscape(
        loss=lambda x: jnp.sum(x) * jnp.nan, dim=2, lower=(-1.0, -1.0), upper=(1.0, 1.0), name="no"
    )
    for find in (mnemo.survey, mnemo.find_critical_points):
        kwargs = {"learning_rate": 0.1, "devices": 1} if find is mnemo.survey else {}
        with pytest.raises(
            mnemo.UserError, match="loss: 'no' has no finite gradient at any of 4,096 points of its box"
        ):
            find(nowhere, out=tmp_path, **kwargs)
    assert list(tmp_path.iterdir()) == []


def test_observables_read_no_further_than_a_point_goes(tmp_path):
    with pytest.raises(mnemo.UserError, match=r"observables\.far: fails: IndexError: index 7 out of bounds"):
        mnemo.survey("himmelblau", starts=8, observables={"far": lambda x: x[7]}, out=tmp_path, devices=1)
