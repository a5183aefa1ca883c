"""Escape experiments: the engine against the law, against descents written out, and in both precisions."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import mnemo_jax as mnemo
from mnemo_jax import config, escape, losses, terminal, terminal_escape
from mnemo_jax.again import follow_again
from mnemo_jax.escapes import counted
from mnemo_jax.figures import draw
from mnemo_jax.figures import escape as drawn
from mnemo_jax.optimizers import parse
from mnemo_jax.starts import Normal, drawer

ROOT = Path(__file__).parent.parent
TILE = mnemo.Tile(lanes=256, steps=32)
NOISE = {"kind": "gradient", "scale": 0.01}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def leave(out):
    """Return the function that lets descents leave a saddle, the strict one with a cloud unless told otherwise."""

    def leave(landscape="strict_saddle", optimizer=None, **given):
        usual = {"at": 0.0, "radius": 1.0, "cloud": 1e-3, "starts": 4000, "tile": TILE, "devices": 1, "out": out}
        optimizer = parse({"learning_rate": 0.05, **(optimizer or {})})
        return mnemo.escape_times(landscape, optimizer=optimizer, **usual | given)

    return leave


@pytest.fixture(scope="module")
def cloud(leave):
    return leave()


def starts_of(experiment):
    """Return the starts of an experiment, in coordinates along the eigenvectors."""
    words = experiment.record.config
    landscape = mnemo.Landscape(loss=jnp.sum, dim=words["loss"]["dim"], lower=(-1.0,), upper=(1.0,))
    kinds = Normal(count=words["starts"]["count"], mean=tuple(words["starts"]["mean"]), scale=words["starts"]["scale"])
    with jax.enable_x64(True):
        return np.asarray(drawer(kinds, landscape, words["seed"])(0, kinds.count))


def test_each_descent_takes_the_steps_of_its_own_coordinate(cloud):
    """Gradient descent multiplies the unstable coordinate by 1.05 until it is 1 or more."""
    y = np.abs(starts_of(cloud)[:, 0])
    np.testing.assert_array_equal(cloud.steps(), np.ceil(np.log(1 / y) / np.log(1.05)))


def test_numbers_are_those_of_the_record(cloud):
    steps = cloud.record.starts("steps")["steps"].to_numpy()
    told = cloud.result
    assert told["share"]["value"] == 1
    assert told["mean"]["value"] == pytest.approx(steps.mean(), rel=1e-12)
    assert told["mean"]["error"] == pytest.approx(steps.std(ddof=1) / np.sqrt(len(steps)), rel=1e-12)
    assert told["variance"]["value"] == pytest.approx(steps.var(ddof=1), rel=1e-12)
    assert counted(cloud.record).exits.sum() == len(steps)
    assert told["saddle"]["eigenvalues"] == [-1.0, 1.0]
    assert cloud.record.outcomes["escaped"] == len(steps)


@pytest.mark.parametrize(
    ("optimizer", "width"),
    [
        ({}, 1e-3),
        ({"noise": NOISE}, 0.0),
        ({"momentum": 0.9}, 1e-3),
        ({"momentum": 0.8, "nesterov": True, "noise": {"kind": "langevin", "temperature": 1e-5}}, 1e-3),
    ],
)
def test_the_engine_follows_the_law(leave, optimizer, width):
    told = leave(optimizer=optimizer, cloud=width).result
    for name in ("mean", "variance"):
        assert abs(told[name]["off"]) < 4
        assert told[name]["law"] == pytest.approx(told["closed_form"][name], rel=1e-3)
    assert told["agrees"]
    assert told["chi_square"]["p"] > 1e-4
    low, high = told["rate"]["mean"]["interval"]
    assert low < told["rate"]["mean"]["rate"] < high
    assert abs(told["rate"]["mean"]["rate"] - 1) < 4 * (high - low) / 3.92


def test_on_the_saddle_nothing_moves(leave):
    told = leave(cloud=0.0, offset=0.3, steps=500).result
    assert told["share"]["count"] == 0
    assert told["left"]["underflow"] == 4000
    assert told["agrees"]
    assert told["mean"]["value"] is None


def test_several_directions_of_a_loss_that_is_turned(leave):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))
    matrix = rotation @ np.diag([-1.0, -0.9, -0.3, 2.0]) @ rotation.T
    landscape = mnemo.Landscape(
        loss=lambda x: 0.5 * (x - 1.0) @ matrix @ (x - 1.0), dim=4, lower=(-2.0,), upper=(2.0,), name="turned"
    )
    found = leave(landscape, at=0.5)
    np.testing.assert_allclose(found.result["saddle"]["eigenvalues"], [-1.0, -0.9, -0.3, 2.0], atol=1e-12)
    np.testing.assert_allclose(found.result["saddle"]["at"], 1.0, atol=1e-12)
    assert found.result["agrees"]
    assert found.result["closed_form"] is None
    first, second, third = found.counts.exits.sum(axis=1)
    assert first > second > third


@pytest.fixture(scope="module")
def camel(leave):
    settings = {"at": (1.1, -0.77), "radius": 0.02, "cloud": 1e-4, "offset": 1e-3}
    return leave("six_hump_camel", optimizer={"learning_rate": 0.005, "momentum": 0.5}, **settings)


def test_a_real_saddle(camel):
    known = next(point for point in losses.build("six_hump_camel").known if point.x[0] > 1.1 and point.index == 1)
    np.testing.assert_allclose(camel.result["saddle"]["at"], known.x, atol=1e-12)
    assert camel.result["agrees"]
    assert 1e-3 < camel.result["law_error"]["bend"] < 5e-3


def test_descents_along_eigenvectors_are_those_of_the_loss_itself(camel):
    """The heavy ball written out on the loss's own coordinates leaves at the same steps."""
    args = camel.record.config["loss"]["args"]
    at, axes = np.array(args["escape_at"]), np.array(args["escape_axes"])
    x = at + starts_of(camel) @ axes.T
    trace, steps = np.zeros_like(x), np.full(len(x), -1)
    with jax.enable_x64(True):
        grad = jax.jit(jax.vmap(jax.grad(losses.build("six_hump_camel").loss)))
        for step in range(camel.result["steps"]):
            out = np.abs((x - at) @ axes[:, 0]) > 0.02
            steps = np.where(out & (steps < 0), step, steps)
            if np.all(steps >= 0):
                break
            trace = np.asarray(grad(x)) + 0.5 * trace
            x = np.where(out[:, None], x, x - 0.005 * trace)
    assert np.mean(steps == camel.steps()) > 0.999


def test_a_budget_cuts_experiment_and_law_short(leave):
    told = leave(steps=150).result
    assert 0.4 < told["share"]["value"] < 0.6
    assert told["left"]["late"] == 4000 - told["share"]["count"]
    assert told["agrees"]
    assert told["mean"]["law"] < 145
    assert told["rate"]["mean"] is None


def test_starts_below_the_smallest_number_never_leave(leave):
    single, double = (leave(cloud=1e-38, precision=precision).result for precision in ("float32", "float64"))
    assert double["agrees"]
    share = 2 * norm.sf(np.finfo(np.float32).tiny / 1e-38)
    assert abs(single["share"]["value"] - share) < 4 * np.sqrt(share * (1 - share) / 4000)
    assert single["left"]["underflow"] == 4000 - single["share"]["count"]
    assert single["left"]["below_smallest"] == pytest.approx(1 - share)
    assert single["share"]["agrees"] is False
    assert single["agrees"] is False


def test_both_precisions_leave_at_the_same_steps(leave, cloud):
    assert np.mean(leave(precision="float32").steps() == cloud.steps()) > 0.99


def test_a_radius_beyond_the_quadratic_is_told(leave):
    """x^4 - 4 x^2 + 1: at the maximum the gradient -8 x + 4 x^3 is half of the quadratic's at distance 1."""
    told = leave("double_well", optimizer={"learning_rate": 0.005}).result
    assert told["saddle"]["kind"] == "maximum"
    assert told["law_error"]["bend"] == pytest.approx(0.5)
    assert told["mean"]["agrees"] is False
    assert told["mean"]["off"] > 4
    assert any("may move the mean" in line for line in terminal_escape.notes([told]))


def test_the_same_experiment_is_not_run_again(leave, cloud):
    again = leave()
    assert again.record.path == cloud.record.path
    anew = leave(fresh=True)
    assert anew.record.path != cloud.record.path
    assert anew.record.fingerprint == cloud.record.fingerprint
    assert anew.result == cloud.result


def test_what_a_person_reads(leave, cloud):
    with terminal.out.capture() as captured:
        terminal_escape.show([cloud, leave(precision="float32")])
    told = captured.get()
    assert "4,000 of 4,000 descents left the saddle (0, 0)" in told
    assert "all agrees" in told
    assert "same outcome at the same step in both precisions" in told
    assert "float32" in told
    json.dumps(cloud.json(), allow_nan=False)


def test_figures(cloud, out):
    files = draw(cloud.record, out / "figures")
    assert [path.name for path in files] == ["escape.svg", "escape.png"]
    figure = drawn.escape(cloud.record)
    law = next(line for line in figure.axes[0].lines if line.get_label().startswith("law"))
    np.testing.assert_allclose(law.get_ydata().sum() * np.diff(law.get_xdata())[0], 1, atol=5e-3)
    bars = figure.axes[0].patches[0].get_data()
    np.testing.assert_allclose(bars.values @ np.diff(bars.edges), 1, atol=5e-3)
    measured, by_law = (line for line in figure.axes[0].lines if line.get_gid() == "mean")
    assert measured.get_ydata().tolist() == by_law.get_ydata().tolist()  # they may coincide: one is dashed
    assert (measured.is_dashed(), by_law.is_dashed()) == (False, True)
    assert "the law's dashed" in figure.get_supxlabel().replace("\n", " ")


def test_no_figure_without_escapes_nor_of_other_runs(leave, out):
    assert drawn.escape(leave(cloud=0.0, offset=0.3, steps=500).record) is None
    assert drawn.escape(mnemo.survey("double_well", starts=10, devices=1, out=out)) is None


MISTAKES = [
    ({"landscape": "himmelblau", "at": (3.0, 2.0)}, "is a minimum; descents leave saddles"),
    ({"landscape": "monkey_saddle"}, "has nullity 2; no law knows flat directions"),
    ({"landscape": "himmelblau", "at": (30.0, 40.0)}, "no critical point lies near"),
    ({"at": (0.0, 0.0, 0.0)}, "3 numbers for 2 axes"),
    ({"offset": (1.0, 2.0)}, "2 numbers for 1 stable directions"),
    ({"radius": -1.0}, "radius: input should be greater than 0"),
    ({"cloud": np.inf}, "cloud: input should be a finite number"),
    ({"optimizer": {"name": "adam"}}, "known for sgd, .*, not for adam"),
    ({"optimizer": {"learning_rate": 2.5}}, "2.5 is too large for the saddle's curvature of 1"),
    ({"optimizer": {"momentum": 1.0}}, "1.0 is not from 0 to below 1"),
    ({"optimizer": {"learning_rate": 1e-9}}, "give a larger learning rate"),
    (
        {"optimizer": {"learning_rate": {"schedule": "constant_schedule", "value": 0.1}}},
        "optimizer.learning_rate: .*constant numbers",
    ),
    (
        {"optimizer": {"noise": {"kind": "perturbed", "radius": 0.1, "below": 0.1, "every": 3}}},
        "not for perturbed noise",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), MISTAKES)
def test_mistakes_are_one_sentence(leave, given, sentence):
    with pytest.raises(mnemo.UserError, match=sentence):
        leave(**given)


CONFIG = {
    "name": "cloud",
    "loss": {"name": "strict_saddle"},
    "starts": {"count": 4000},
    "optimizer": {"name": "sgd", "learning_rate": 0.05},
    "tile": {"lanes": 256, "steps": 32},
    "record": {"block": 1024},
    "escape": {"at": 0.0, "radius": 1.0, "cloud": 1e-3},
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"escape": None}, "escape: is missing"),
        ({"stop": {"max_steps": 10}}, "leave .stop. out"),
        ({"starts": {"kind": "normal", "count": 10}}, "give starts.count alone"),
        ({"starts": {"count": 10, "lower": -1}}, "give starts.count alone"),
        ({"until": {"half_width": 0.1}}, "until: an escape experiment has none"),
        ({"escape": {"at": 0.0, "radius": 0}}, "escape.radius: input should be greater than 0, got 0"),
        ({"escape": {"at": 0.0, "raduis": 1}}, "escape.raduis: unknown key; did you mean 'radius'"),
    ],
)
def test_mistakes_of_configs_are_one_sentence(change, sentence):
    table = {key: value for key, value in (CONFIG | change).items() if value is not None}
    with pytest.raises(mnemo.UserError, match=sentence):
        escape.plan(config.parse(table, "test.toml"), "test.toml", "cpu")


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "escape").glob("*.toml")), ids=lambda path: path.stem)
def test_configs_that_come_along_have_a_law(path):
    plan, _ = escape.plan(config.read(path), str(path), "cpu")
    assert escape.dynamics(plan.optimizer).learning_rate > 0


@pytest.fixture(scope="module")
def from_config(out, leave):
    plan, escaping = escape.plan(config.parse(CONFIG, "test.toml"), "test.toml", "cpu")
    return escape.run(plan, escaping, out / "configs", devices=1)


def test_a_config_says_the_same_whatever_its_blocks(from_config, cloud):
    np.testing.assert_array_equal(from_config.steps(), cloud.steps())
    apart = ("name", "optimizer")
    same = [{key: value for key, value in one.result.items() if key not in apart} for one in (from_config, cloud)]
    assert same[0] == same[1]


def test_one_start_is_followed_again(from_config):
    told = follow_again(from_config.record.path, 7)
    assert (told["outcome"], told["steps"]) == ("escaped", from_config.steps()[7])
    assert told["differs"] is None


def test_the_command(from_config):
    """What was run is shown, as one strict JSON object."""
    words = (sys.executable, "-c", "from mnemo_jax.cli import main; main()", "show", from_config.record.path, "--json")
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (told,) = json.loads(done.stdout)["escapes"]
    assert told["mean"] == from_config.result["mean"]
    assert told["fingerprint"] == from_config.record.fingerprint


@pytest.fixture(scope="module")
def chain():
    spec = importlib.util.spec_from_file_location("chain", ROOT / "experiments" / "chain_of_saddles.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_saddle_is_passed_in_six_steps(chain, out):
    """A uniform start is at 1/2: to tau it takes ln 2 / ln 1.25 = 3.1 steps, and as many again to 2 tau."""
    found = chain.passed(1, 0.0, "float64", 500, out)
    assert np.median(found["steps"]) == 6
    assert found["late"] == found["underflow"] == 0


def test_tables_and_figures_of_chains(chain):
    draw = np.random.default_rng(0)
    rows = []
    for arm in chain.ARMS:
        for precision in chain.PRECISIONS:
            for saddles in (1, 2, 3):
                steps = 4.0**saddles * np.exp(draw.standard_normal(200))
                steps[: 60 * (saddles - 1)] = np.inf
                told = chain.interval(chain.medians(steps, draw))
                rows.append({"arm": arm, "precision": precision, "saddles": saddles, "starts": 200, "median": told})
                rows[-1] |= {
                    "underflow": 60 * (saddles - 1),
                    "late": 0,
                    "ratio": [4.0, 3.9, 4.1],
                    "further": [9, 8, 10],
                }
    assert rows[2]["median"] == [None, None, None]
    assert "never" in chain.told(rows)
    assert len(chain.figure(rows).axes) == 2
