"""Sweeps and comparisons: the same starts in every run, followed start by start."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mnemo_jax import UserError, compare, estimates, load, sweep
from mnemo_jax.cli import app
from mnemo_jax.optimizers import parse
from mnemo_jax.stability import critical_rate

QUARTIC = """
name = "quartic"
[loss]
name = "double_well"
[starts]
kind = "grid"
shape = 2001
[optimizer]
learning_rate = 0.01
[stop]
max_steps = 3000
escape_radius = 10
[tile]
lanes = 64
steps = 32
[sweep]
optimizer.learning_rate = [0.02, 0.08, 0.12, 0.14]
"""
RATES = [0.02, 0.08, 0.12, 0.14]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweeps")


def written(folder, text, name="config.toml"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def swept(folder):
    asked = sweep.read(written(folder, QUARTIC), [], "cpu")
    return sweep.run(asked, folder, devices=1)


def exact(rate):
    """Iterate the map x <- x (1 + 8 rate - 4 rate x^2) itself: -1 and 1 for the minima, 0 for escaped, 2 for cycles."""
    x = -3 + (np.arange(2001) + 0.5) * 6 / 2001
    for _ in range(3000):
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.where(np.abs(x) > 30, 1e9, x * (1 + 8 * rate - 4 * rate * x**2))
    ends = np.where(np.abs(x) > 30, 0, np.sign(x))
    return ends if rate < 1 / 8 else np.where(ends == 0, 0, 2)


def test_shares_follow_the_iterated_map(swept):
    assert [cell["values"]["optimizer.learning_rate"] for cell in swept["cells"]] == RATES
    for cell, rate in zip(swept["cells"], RATES, strict=True):
        ends = exact(rate)
        # x = 0, the middle of the grid, is the maximum and stays there
        assert cell["minima"][0]["count"] == np.sum(ends == -1)
        assert cell["minima"][1]["count"] == np.sum(ends == 1)
        assert cell["outcomes"].get("escaped", 0) == np.sum(ends == 0) - 1
        assert cell["outcomes"].get("cycle", 0) == np.sum(ends == 2)
    assert swept["cells"][3]["periods"] == {"2": int(np.sum(exact(0.14) == 2))}


def test_changes_are_counted_start_by_start(swept):
    for before, after in itertools.pairwise(RATES[:3]):
        cell = swept["cells"][RATES.index(after)]
        old, new = exact(before), exact(after)
        assert cell["change"]["from"] == {"optimizer.learning_rate": before}
        assert cell["change"]["changed"] == pytest.approx(np.mean(old != new))
        difference = [(np.sum(new == side) - np.sum(old == side)) / 2001 for side in (-1, 1)]
        assert cell["change"]["difference"] == pytest.approx(difference)
        assert cell["change"]["difference_interval"] is None, "a grid is no sample"
    assert swept["cells"][0]["change"] is None


def test_minima_know_the_rate_they_bear(swept):
    for cell in swept["cells"]:
        for minimum in cell["minima"]:
            assert minimum["critical_learning_rate"] == pytest.approx(1 / 8)  # 2 / f'' = 2 / 16


def test_a_sweep_goes_on_where_it_was_and_repeats_itself(swept, folder):
    asked = sweep.read(folder / "config.toml", [], "cpu")
    kept = Path(swept["folder"])
    times = {path: path.stat().st_mtime_ns for path in kept.glob("*/summary.json")}
    before = (kept / "sweep.json").read_bytes()
    assert sweep.run(asked, folder, devices=1) == swept
    assert (kept / "sweep.json").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in kept.glob("*/summary.json")} == times
    assert len(times) == 4


def test_minima_are_followed_where_the_loss_changes(folder):
    # x^4 - 4 x^2 + tilt x: the right minimum moves, and ends where 3 x^2 = 2, at tilt = 8 x - 4 x^3 = 4.35
    asked = sweep.read(folder / "config.toml", ["loss.args.tilt=0,2,4,5", "optimizer.learning_rate=0.02"], "cpu")
    told = sweep.run(asked, folder, devices=1)
    assert told["branches"] == 2
    for cell, tilt in zip(told["cells"], (0.0, 2.0, 4.0, 5.0), strict=True):
        roots = np.sort(np.roots([4, 0, -8, tilt]).real[np.abs(np.roots([4, 0, -8, tilt]).imag) < 1e-9])
        left, right = (cell["minima"][branch]["x"] for branch in (0, 1))
        assert left == pytest.approx([roots[0]], abs=1e-9)
        if len(roots) == 3:
            assert right == pytest.approx([roots[2]], abs=1e-9)
        else:
            assert right is None
            assert cell["minima"][1]["count"] == 0


def test_values_are_written_as_overrides_are():
    assert sweep._listed("a.b=1,2.5,x") == ("a.b", [1, 2.5, "x"])
    assert sweep._listed("starts.shape=[10, 10]") == ("starts.shape", None)
    assert sweep._listed("optimizer.noise={kind='gradient', scale=1},{kind='langevin', temperature=1}")[1] == [
        {"kind": "gradient", "scale": 1},
        {"kind": "langevin", "temperature": 1},
    ]
    assert sweep._listed("a=linspace(0,1,3)") == ("a", [0.0, 0.5, 1.0])
    np.testing.assert_allclose(sweep._listed("a=geomspace(0.001,1,4)")[1], [0.001, 0.01, 0.1, 1])
    with pytest.raises(UserError, match="write linspace"):
        sweep._listed("a=linspace(0,1)")


def test_a_sweep_of_two_keys_has_neighbours_one_step_back():
    two = sweep.Sweep("x", {"a": [1, 2], "b": [1, 2, 3]}, [])
    assert [two.neighbour(number) for number in range(6)] == [None, 0, 1, 0, 3, 4]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["optimizer.learning_rate=0.1,-1"], "optimizer.learning_rate: -1 is not a positive number"),
        (["optimizer.learnig_rate=0.1,0.2"], "optimizer.learnig_rate: sgd has no such argument"),
        (["sweep.optimizer.learning_rate=3"], "sweep.optimizer.learning_rate: 3 is no list of values"),
        (["seed=linspace(0,1,2000)"], "8,000 cells are more than 1,000"),
        (["optimizer.learning_rate=0.01,"], "a value between the commas is missing"),
        (["optimizer.learning_rate=0.01,0.02,0.01"], "sweep.optimizer.learning_rate: 0.01 is there twice"),
        (["optimizer.learning_rate=linspace(0.01,0.1,0)"], "a whole number n of at least 2"),
        (["optimizer.learning_rate=geomspace(0,0.1,3)"], "two numbers of one sign"),
    ],
)
def test_mistakes_in_sweeps_are_one_sentence(folder, swept, overrides, sentence):
    with pytest.raises(UserError, match=sentence):
        sweep.read(folder / "config.toml", overrides, "cpu")


def test_nothing_to_sweep_is_said(folder):
    path = written(folder, QUARTIC.partition("[sweep]")[0], "plain.toml")
    with pytest.raises(UserError, match="nothing to sweep"):
        sweep.read(path, [], "cpu")


def test_paired_intervals_cover_their_truth():
    # 2000 experiments of 400 starts: each starts in the basin with 0.3, then changes sides with 0.1 or 0.2
    draw = np.random.default_rng(0)
    before = draw.random((2000, 400)) < 0.3
    after = np.where(before, draw.random((2000, 400)) > 0.2, draw.random((2000, 400)) < 0.1)
    truth = 0.7 * 0.1 - 0.3 * 0.2
    _, interval = estimates.paired((after & ~before).sum(axis=1), (before & ~after).sum(axis=1), 400)
    covered = np.mean((interval[:, 0] <= truth) & (truth <= interval[:, 1]))
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)
    difference, none = estimates.paired(np.zeros(1), np.zeros(1), 400)
    assert difference == 0
    assert none[0, 0] < 0 < none[0, 1] < 0.02


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.6, False), (0.6, True)])
def test_the_critical_rate_is_where_the_recursion_stops_contracting(momentum, nesterov):
    made = parse({"name": "sgd", "learning_rate": 0.1, "momentum": momentum, "nesterov": nesterov})
    critical = critical_rate(made, 5.0)
    for factor, below in ((0.99, True), (1.01, False)):
        a = 1 - factor * critical * 5.0
        matrix = [[(1 + momentum) * a, -momentum * a], [1, 0]] if nesterov else [[a + momentum, -momentum], [1, 0]]
        assert (np.max(np.abs(np.linalg.eigvals(matrix))) < 1) == below
    assert critical_rate(parse({"name": "adam", "learning_rate": 0.1}), 5.0) is None


CAMEL = """
name = "camel"
[loss]
name = "six_hump_camel"
lower = [-2, -1.2]
upper = [2, 1.2]
[starts]
count = 4000
[stop]
max_steps = 20_000
[tile]
lanes = 128
steps = 16
[compare]
sample = 64
[[compare.optimizers]]
name = "sgd"
learning_rate = 0.01
[[compare.optimizers]]
label = "heavy ball"
name = "sgd"
learning_rate = 0.01
momentum = 0.9
"""


@pytest.fixture(scope="module")
def compared(folder):
    return compare.run(compare.read(written(folder, CAMEL, "camel.toml"), [], "cpu"), folder, devices=1)


def test_heavy_ball_leaves_the_flow_and_small_steps_do_not(compared):
    plain, heavy = compared["optimizers"]
    assert (plain["name"], heavy["name"]) == ("sgd 0.01", "heavy ball")
    assert plain["differ"] < 2e-3
    assert heavy["differ_interval"][0] > 0.1
    assert compared["flow"]["confirmed"]["differ"] == 0
    assert len(compared["minima"]) == 6


def test_a_comparison_counts_what_its_records_say(compared):
    folder = Path(compared["folder"])
    flow, heavy = compared["flow"], compared["optimizers"][1]
    ends = []
    for arm in (flow, heavy):
        record = load(folder / arm["record"])
        x = record.catalogue.x[record.starts("label")["label"].to_numpy()]
        ends.append(np.argmin(np.linalg.norm(x[:, None] - np.array(compared["minima"]), axis=2), axis=1))
    assert heavy["differ"] == np.mean(ends[0] != ends[1])
    moves = {(move["flow"], move["optimizer"]): move["starts"] for move in heavy["moves"]}
    assert sum(moves.values()) == np.sum(ends[0] != ends[1])
    for (a, b), number in moves.items():
        assert number == np.sum((ends[0] == a) & (ends[1] == b))
    assert heavy["mean_gradients"] == load(folder / heavy["record"]).summary["steps"] / 4000 + 1


def test_a_comparison_without_optimizers_says_so(folder, compared):
    with pytest.raises(UserError, match=r"none are listed; add \[\[compare.optimizers\]\]"):
        compare.read(written(folder, CAMEL.partition("[[")[0], "none.toml"), [], "cpu")


def test_figures_of_unfinished_sweeps_are_refused(folder, swept, tmp_path):
    half = tmp_path / Path(swept["folder"]).name
    shutil.copytree(swept["folder"], half)
    (half / "sweep.json").unlink()
    done = CliRunner().invoke(app, ["figures", str(half)])
    assert done.exit_code == 2
    assert "is an unfinished sweep" in done.stderr


def test_two_optimizers_of_one_name_are_refused(folder, compared):
    twice = CAMEL + '[[compare.optimizers]]\nname = "adam"\nlearning_rate = 0.1\nlabel = "heavy ball"\n'
    with pytest.raises(UserError, match="two are called 'heavy ball'"):
        compare.read(written(folder, twice, "twice.toml"), [], "cpu")


def test_commands_print_tables_and_strict_json(folder, swept, compared, monkeypatch):
    monkeypatch.setattr("mnemo_jax.cli._start_jax", lambda _: "cpu")  # this process has its devices already
    for words in (["sweep", str(folder / "config.toml")], ["compare", str(folder / "camel.toml")]):
        told = CliRunner().invoke(app, [*words, "--out", str(folder), "--devices", "1"])
        assert told.exit_code == 0, told.output
        assert "minimum 0" in told.output or "heavy ball" in told.output
        asked = CliRunner().invoke(app, [*words, "--out", str(folder), "--devices", "1", "--json"])
        assert json.loads(asked.stdout) == (swept if words[0] == "sweep" else compared)


def test_sweeps_and_comparisons_are_shown_again(folder, swept, compared):
    for told in (swept, compared):
        run = told["folder"]
        done = CliRunner().invoke(app, ["show", run, "--json"])
        assert json.loads(done.stdout) == told
        assert told["name"] in CliRunner().invoke(app, ["show", run]).stdout.splitlines()[0]
        refused = CliRunner().invoke(app, ["stalls", run])
        assert (refused.exit_code, refused.stderr) == (
            2,
            f"mnemo: {run}: is a folder of several runs; `mnemo show` and `mnemo figures` tell of them together\n",
        )


def test_figures_are_drawn(folder, swept, compared):
    for told, names in ((swept, {"shares"}), (compared, {"costs", "maps"})):
        done = CliRunner().invoke(app, ["figures", told["folder"]])
        assert done.exit_code == 0, done.output
        assert {path.stem for path in (Path(told["folder"]) / "figures").glob("*.svg")} == names
