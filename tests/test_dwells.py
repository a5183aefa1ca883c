"""Stalls of a finished run: against a plain count over its tables, and against the law of escape."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf
from typer.testing import CliRunner

import mnemo_jax as mnemo
from mnemo_jax import losses, stall_report, store
from mnemo_jax.cli import app
from mnemo_jax.dwells import analyse_stalls
from mnemo_jax.estimates import wilson
from mnemo_jax.sides import Sides
from mnemo_jax.tally import Histograms, Tally

pytestmark = pytest.mark.usefixtures("no_fsync")

TILE = mnemo.Tile(lanes=64, steps=8)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def beale(out, block):
    """Return a run of Adam on Beale's loss: saddles, flat regions, several stalls a start, stalls that do not end."""
    return mnemo.survey(
        "beale", starts=600, optimizer="adam", learning_rate=0.1, stop=mnemo.Stop(max_steps=1500), tile=TILE, devices=1,
        recording=mnemo.Recording(block=block), out=out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def adam(out):
    return beale(out, 128)


@pytest.fixture(scope="module")
def camel(out):
    """Gradient descent on the six-hump camel from around the saddle at the origin."""
    starts = mnemo.Uniform(count=4000, lower=-0.002, upper=0.002)
    return mnemo.survey("six_hump_camel", starts=starts, learning_rate=0.02, tile=TILE, devices=1, out=out)


def frames(record):
    """Return stalls with the label and the outcome that their start ended with, and starts."""
    starts = record.starts().to_pandas()
    stalls = record.stalls().to_pandas()
    ends = starts.set_index("start")[["label", "outcome"]].rename(columns={"label": "end"})
    return stalls.join(ends, on="start"), starts


def at(place, stalls):
    """Return the rows of the stalls at a place."""
    return stalls[stalls.label.isna()] if place.label is None else stalls[stalls.label == place.label]


def test_every_place_is_a_plain_count(adam):
    stalls, starts = frames(adam)
    told = analyse_stalls(adam, (7, 50, 400))
    assert [place.label for place in told.places][:2] == [None, 1], "the test must see flat regions and a saddle"
    assert sum(place.stalls for place in told.places) == len(stalls)
    assert sorted((p.stalls for p in told.places), reverse=True) == [p.stalls for p in told.places]
    for place in [*told.places, told.overall]:
        rows = stalls if place is told.overall else at(place, stalls)
        longest = rows.groupby("start").length.max()
        cut = rows[rows.censored].groupby("start").size()
        assert (place.stalls, place.starts, place.longest) == (len(rows), len(longest), rows.length.max())
        assert place.censored == {k: n for k, n in rows[rows.censored].outcome.value_counts().items() if n}
        assert place.longer.tolist() == [(longest > steps).sum() for steps in (7, 50, 400)]
        assert place.undecided.tolist() == [(longest[cut.index] <= steps).sum() for steps in (7, 50, 400)]
        np.testing.assert_allclose(place.share, place.longer / len(starts))
        np.testing.assert_array_equal(place.interval, wilson(place.longer, 600))
        theirs = ecdf(CensoredData.right_censored(rows.length, rows.censored)).sf
        np.testing.assert_allclose(place.survival.share, theirs.probabilities, rtol=1e-12)
    assert told.overall.censored["out_of_steps"] > 50
    assert told.overall.stalls > told.overall.starts


def test_shares_are_those_of_the_summary(adam):
    told, summary = analyse_stalls(adam), adam.summary["stalls"]
    assert told.longer == (10, 100, 1000, 10_000)
    for k, row in enumerate(summary["longer_than"]):
        assert (row["steps"], row["starts"], row["share"]) == (
            told.longer[k],
            told.overall.longer[k],
            told.overall.share[k],
        )
        np.testing.assert_allclose(row["interval"], told.overall.interval[k])
    ordered = {place["label"]: place for place in summary["places"]}
    for place in told.places:
        assert ordered[place.label]["stalls"] == place.stalls
        assert ordered[place.label]["censored"] == sum(place.censored.values())


def test_stalls_of_one_start_count_as_that(adam):
    """Shuffled among starts, the same lengths are surer: Adam comes back to places it has left."""
    told = analyse_stalls(adam).overall
    width = told.band[:, 1] - told.band[:, 0]
    middle = int(np.argmax(told.survival.share <= 0.7))
    share = told.survival.share[middle]
    alone = 2 * 1.96 * share * np.sqrt(told.survival.greenwood[middle])
    assert width[middle] > 1.1 * alone


def test_blocks_do_not_change_the_report(adam, out):
    other = beale(out, 256)
    one, two = (json.dumps(stall_report.report(r, analyse_stalls(r)), allow_nan=False) for r in (adam, other))
    assert rounded(json.loads(one)) == rounded(json.loads(two))
    again = mnemo.load(adam.path)
    assert one == json.dumps(stall_report.report(again, analyse_stalls(again)))


def rounded(value):
    """Return plain values with numbers to ten digits: sums over starts are rounded in the order of blocks."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def test_sides_and_where_they_lead(camel):
    stalls, _ = frames(camel)
    (saddle,) = (place for place in analyse_stalls(camel).places if place.label == 2)
    assert np.all(np.abs(camel.catalogue.x[2]) < 1e-9), "the saddle at the origin"
    rows = at(saddle, stalls)
    assert [side.direction for side in saddle.sides] == [1, -1]
    for side in saddle.sides:
        taken = rows[rows.direction == side.direction]
        assert (side.stalls, side.starts) == (len(taken), taken.start.nunique())
        assert side.share == pytest.approx(len(taken) / rows.direction.notna().sum())
        np.testing.assert_allclose(side.interval, wilson(np.array([len(taken)]), rows.direction.notna().sum())[0])
        assert side.ends == list(taken.end.astype(int).value_counts().items())
        assert side.interval[0] < 0.5 < side.interval[1]  # the loss is even
    assert {side.ends[0][0] for side in saddle.sides} == {0, 1}  # each to the minimum on its side


def test_long_stalls_follow_the_law_of_escape(camel):
    """From a cloud that is uniform across the saddle each step keeps one part in ``growth`` of those that are left."""
    (saddle,) = (place for place in analyse_stalls(camel).places if place.label == 2)
    growth = stall_report.point(camel, 2)["growth"]
    assert growth == pytest.approx(1 + 0.02 * 8.0623, rel=1e-5)
    told = saddle.survival
    first = int(np.argmax(told.share <= 0.6))
    left = told.ended[first + 1 :]
    passed = np.sum(left * (told.at[first + 1 :] - told.at[first]))  # steps that the stalls longer than that one took
    kept = 1 - left.sum() / passed  # the likeliest part kept in a step, lengths being geometric
    assert saddle.stalls > 3000
    assert kept == pytest.approx(1 / growth, abs=4 * (1 - 1 / growth) / np.sqrt(left.sum()))


def test_growth_is_told_of_plain_gradient_descent_alone(adam, camel):
    assert stall_report.point(adam, 1)["growth"] is None
    assert stall_report.point(adam, 1)["escape_rate"] > 0
    assert stall_report.plain_learning_rate(camel) == 0.02
    for words in ({"momentum": 0.9}, {"learning_rate": {"schedule": "x"}}, {"name": "lbfgs"}):
        changed = mnemo.load(camel.path)
        changed.config["optimizer"] |= words
        assert stall_report.plain_learning_rate(changed) is None
    flat = stall_report.point(adam, None)
    assert flat.pop("at") == "flat region"
    assert set(flat.values()) == {None}
    assert flat.keys() == stall_report.point(adam, 1).keys() - {"at"}


def test_final_approaches_are_told_apart(camel):
    starts = camel.starts().to_pandas()
    told = analyse_stalls(camel).finals
    assert told.label.tolist() == [0, 1]
    for k, label in enumerate(told.label):
        final = starts.final[starts.label == label]
        parts = np.quantile(final, [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf")
        assert (told.starts[k], told.longest[k]) == (len(final), final.max())
        assert told.quantiles[k].tolist() == parts.tolist()


def test_starts_that_are_no_sample_have_no_intervals(out):
    record = mnemo.survey("six_hump_camel", starts=mnemo.Grid(shape=(60, 61)), tile=TILE, devices=1, out=out)
    told = analyse_stalls(record)
    assert told.overall.starts >= 10
    assert np.all(np.isnan(told.overall.interval))
    assert np.all(np.isnan(told.overall.band))
    assert told.overall.median[1:] == (None, None)
    assert np.all(np.isnan([side.interval for place in told.places for side in place.sides]))
    report = stall_report.report(record, told)
    json.dumps(report, allow_nan=False)
    assert report["overall"]["survival"]["interval"][0] == [None, None]
    assert "no sample" in " ".join(report["notes"])


def test_few_starts_have_no_band(camel, monkeypatch):
    monkeypatch.setattr("mnemo_jax.dwells.FEW", 10**9)
    told = analyse_stalls(camel)
    assert np.all(np.isnan(told.overall.band))
    assert np.all(np.isfinite(told.overall.interval))


def test_only_the_top_places_are_told_one_by_one(adam):
    told, few = analyse_stalls(adam), analyse_stalls(adam, top=1)
    assert few.further == len(told.places) - 1
    assert few.places[0].stalls == told.places[0].stalls
    assert few.overall.stalls == told.overall.stalls


def test_points_up_to_symmetry_have_no_sides(out):
    landscape = replace(losses.build("six_hump_camel"), symmetries=(mnemo.Symmetry(kind="sign", joint=True),))
    starts = mnemo.Uniform(count=300, lower=-0.001, upper=0.001)
    record = mnemo.survey(landscape, starts=starts, learning_rate=0.02, tile=TILE, devices=1, out=out)
    told = analyse_stalls(record)
    assert told.overall.stalls > 200
    assert all(not place.sides for place in told.places)
    assert "sides cannot be told" in " ".join(stall_report.notes(record, told))


def test_records_without_directions_have_no_sides(camel, tmp_path):
    copy = shutil.copytree(camel.path, tmp_path / "run")
    for path in (copy / "stalls").glob("*.parquet"):
        store.write_table(path, store.read_table(path).drop_columns("direction"))
    told, whole = analyse_stalls(mnemo.load(copy)), analyse_stalls(camel)
    assert not any(place.sides for place in told.places)
    assert told.overall.longer.tolist() == whole.overall.longer.tolist()


# Ways out.


def sides(start, direction):
    found = Sides(3)
    found.add(np.full(len(start), 2), np.array(start), np.array(direction), np.zeros(len(start), int))
    return found.of(2, True)


def test_starts_that_leave_once_have_wilsons_interval():
    one, other = sides(range(10), [1] * 7 + [-1] * 3)
    np.testing.assert_allclose([one.interval, other.interval], wilson(np.array([7, 3]), 10))


def test_starts_that_leave_often_count_once_when_they_always_take_one_side():
    one, other = sides(np.repeat(np.arange(10), 4), np.repeat([1] * 7 + [-1] * 3, 4))
    assert (one.stalls, one.starts, one.share) == (28, 7, 0.7)
    np.testing.assert_allclose([one.interval, other.interval], wilson(np.array([7, 3]), 10))
    always, never = sides(np.repeat(np.arange(10), 4), [2] * 40)
    assert [always.direction, never.direction] == [2, -2]
    np.testing.assert_allclose([always.interval, never.interval], wilson(np.array([10, 0]), 10))


def test_starts_that_take_both_sides_in_turn_are_worth_no_more_than_their_stalls():
    one, _ = sides(np.repeat(np.arange(10), 2), [1, -1] * 10)
    np.testing.assert_allclose(one.interval, wilson(np.array([10]), 20)[0])


def test_ways_out_gather_block_by_block():
    random = np.random.default_rng(0)
    start, direction = np.sort(random.integers(0, 200, 600)), random.choice([-2, -1, 1, 2], 600)
    place, end = random.integers(0, 3, 600), random.integers(-1, 3, 200)
    whole, parts = Sides(3), Sides(3)
    whole.add(place, start, direction, end[start])
    for first in (0, 80, 150):
        rows = (start >= first) & (start < {0: 80, 80: 150, 150: 200}[first])
        parts.add(place[rows], start[rows] - first, direction[rows], end[start[rows]])
    for row in range(3):
        assert whole.of(row, True) == parts.of(row, True)
        assert sum(side.stalls for side in whole.of(row, True)) == np.sum(place == row)
    parts.add(*(np.empty(0, int) for _ in range(4)))
    assert whole.of(0, True) == parts.of(0, True)


def test_tallies_and_quantiles():
    tally = Tally(2)
    tally.add(np.array([5, 3, 5]), np.array([[1, 10], [2, 20], [3, 30]]))
    tally.add(np.array([4]), np.array([[7, 70]]))
    assert tally.keys.tolist() == [3, 4, 5]
    assert tally.sums.tolist() == [[2, 20], [7, 70], [4, 40]]
    random = np.random.default_rng(1)
    label, values = random.integers(-1, 5, 2000), random.geometric(0.01, 2000)
    label[label == 3] = 2
    found = Histograms(5)
    for part in np.split(np.arange(2000), 7 * [0] + [500, 1100]):
        found.add(label[part], values[part])
    for part in (0.05, 0.5, 0.77, 1.0):
        expected = [np.quantile(values[label == k], part, method="inverted_cdf") if k != 3 else -1 for k in range(5)]
        assert found.quantiles(part).tolist() == expected
    np.testing.assert_array_equal(np.repeat(*found.of(1)), np.sort(values[label == 1]))


# The command.


def command(*words, code=0):
    done = CliRunner().invoke(app, ["stalls", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def test_the_command_prints_tables(adam):
    told = command(adam.path).stdout
    assert told.startswith("beale: ")
    assert "flat region" in told
    assert "Ways out" in told
    assert f"{analyse_stalls(adam).overall.stalls:,} of {adam.summary['stalls']['total']:,} stalls are stored" in told
    short = command(adam.path, "--top", 1, "--longer", "1_000,30").stdout
    assert "1,000 steps" in short
    assert "100 steps" not in short
    assert "and 2 more" in short or "and 1 more" in short


def test_the_command_prints_one_strict_json_object(adam):
    told = json.loads(command(adam.path, "--json", "--longer", "30").stdout, parse_constant=pytest.fail)
    assert told == stall_report.report(adam, analyse_stalls(adam, (30,)))
    assert [row["steps"] for row in told["overall"]["longer_than"]] == [30]
    assert len(told["overall"]["survival"]["steps"]) <= stall_report.CURVE + 2
    assert told["places"][0]["at"] == "flat region"


def test_runs_without_stalls_say_so(out):
    starts = mnemo.Uniform(count=4000, lower=(0.05, -0.75), upper=(0.12, -0.68))
    record = mnemo.survey("six_hump_camel", starts=starts, learning_rate=0.02, tile=TILE, devices=1, out=out)
    told = command(record.path).stdout
    assert told.startswith("six_hump_camel: none of 4,000 starts stalled\n")
    assert "Places" not in told
    assert json.loads(command(record.path, "--json").stdout)["places"] == []


@pytest.mark.parametrize("longer", ["10,x", "-3", "", "1.5", "9" * 30])
def test_mistakes_are_one_sentence(adam, longer):
    done = command(adam.path, f"--longer={longer}", code=2)
    assert done.stderr.startswith("mnemo: ")
    assert done.stderr.count("\n") == 1


def test_a_damaged_file_is_named(adam, tmp_path):
    copy = shutil.copytree(adam.path, tmp_path / "run")
    path = copy / "stalls" / "000001.parquet"
    path.write_bytes(path.read_bytes()[:200])
    assert "000001.parquet" in command(copy, code=2).stderr
