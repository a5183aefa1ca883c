"""Figures, page and terminal of runs on data: what is drawn is what was measured, and levels are where they are."""

import csv
import io
import re

import browsing
import numpy as np
import pytest
from browsing import MARKS, RAW, drawn_one_by_one, saved, told_of

import mnemo_jax as mnemo
from mnemo_jax import estimates, losses, terminal
from mnemo_jax.data import DataSet
from mnemo_jax.figures import FIGURES, draw, final_losses, generalisation, looks, training
from mnemo_jax.figures.gathered import edges, gathered
from mnemo_jax.initializers import Layered
from mnemo_jax.report import chart, ends, report

pytestmark = pytest.mark.usefixtures("no_fsync")

ON_DATA = {"training", "final_losses", "generalisation"}
COUNT, LOOKS, LAST = 30, 11, 100  # starts, looks of each and its last step


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A small network on two moons, nothing of which is judged."""
    held = {"train": 100, "validation": 50, "test": 50}
    data = DataSet(name="moons", args={"items": 200, "noise": 0.2}, **held)
    return mnemo.survey(
        losses.build("mlp", {"data": data, "hidden": [4]}),
        learning_rate=0.5,
        starts=Layered(count=COUNT, weights="lecun_normal"),
        stop=mnemo.Stop(grad_tol=0.0, max_steps=LAST, check_every=10, patience=2),
        recording=mnemo.Recording(catalogue=0, block=16),
        name="moons",
        devices=1,
        out=tmp_path_factory.mktemp("runs"),
    )


@pytest.fixture(scope="module")
def page(record, tmp_path_factory):
    return report(record, tmp_path_factory.mktemp("pages") / "moons.html")


def values(record, name):
    return record.history()[name].to_numpy().reshape(COUNT, LOOKS)


def note(figure):
    return figure.get_supxlabel().replace("\n", " ")


def drawn(axes, gid):
    return next(artist for artist in axes.get_children() if artist.get_gid() == gid)


# ---- looks ----


def test_looks_are_those_of_the_history(record):
    found = looks.looks_of(record)
    assert found.parts == ("train", "validation", "test")
    assert found.measures == ("loss", "accuracy")
    np.testing.assert_array_equal(found.step, np.arange(LOOKS) * 10)
    np.testing.assert_array_equal(found.values[2, 1], values(record, "test_accuracy"))
    np.testing.assert_array_equal(found.values[1, 0, :, -1], looks.final(record, "validation_loss")[0])


def test_history_of_the_first_starts_reads_their_blocks_alone(record):
    whole, first = record.history(), record.history(first=20)
    assert whole.num_rows == COUNT * LOOKS
    assert first.equals(whole.slice(0, 20 * LOOKS))


def test_only_so_many_numbers_are_read(record, monkeypatch):
    monkeypatch.setattr(looks, "CELLS", 5 * 6 * LOOKS)
    assert looks.looks_of(record).values.shape[2] == 5
    assert f"{COUNT} starts, the first 5 of which are read" in note(training.training(record))


def test_past_its_end_a_descent_counts_with_its_last_number(record, monkeypatch):
    table = record.history()
    kept = table.filter((table["start"].to_numpy() > 0) | (table["step"].to_numpy() <= 40))
    monkeypatch.setattr(record, "history", lambda first: kept)
    found = looks.looks_of(record)
    before = values(mnemo.load(record.path), "train_loss")[0]
    np.testing.assert_array_equal(found.values[0, 0, 0], before[np.minimum(np.arange(LOOKS), 4)])
    assert found.ended.tolist() == [40] + [LAST] * (COUNT - 1)
    assert "1 ended earlier and count with their last value" in note(training.training(record))


def test_numbers_that_are_none_count_as_infinite():
    found = looks.quantiles(np.concatenate([np.zeros((50, 1)), np.full((50, 1), np.nan)]))
    assert found[0, 0] == 0
    assert np.isnan(found[2, 0])


def test_steps_are_logarithmic_where_half_of_the_descents_end_early():
    found = looks.Looks(
        ("train",), ("loss",), np.arange(1001) * 20, np.zeros((1, 1, 3, 1001)), np.array([40, 60, 20000])
    )
    assert looks.late(found)
    assert looks.thinned(found)[0] == 1
    even = found._replace(ended=np.full(3, 20000))
    assert not looks.late(even)
    assert looks.thinned(even)[[0, -1]].tolist() == [0, 1000]
    assert len(looks.thinned(even)) == looks.SHOWN


# ---- training ----


def test_medians_bands_and_lines_are_those_of_the_starts(record):
    figure = training.training(record)
    axes = figure.axes[2 + 3]  # second row, third column
    accuracy = values(record, "test_accuracy")
    np.testing.assert_allclose(drawn(axes, "median").get_ydata(), np.median(accuracy, axis=0))
    runs = drawn(axes, "runs").get_segments()
    np.testing.assert_array_equal([line[:, 1] for line in runs], accuracy)
    best = drawn(axes, "best").get_xdata()[0]
    assert best == record.summary["measures"]["best_step"]["median"]
    assert [axes.get_title("left") for axes in figure.axes[:3]] == ["train", "validation", "test"]


def test_lines_are_as_many_as_points_may_be_drawn(record, monkeypatch):
    monkeypatch.setattr(looks, "POINTS", 10 * 6 * LOOKS)
    figure = training.training(record)
    assert f"{COUNT} starts; 10 of them are drawn as lines" in note(figure)
    assert len(drawn(figure.axes[0], "runs").get_segments()) == 10


def test_a_loss_over_decades_has_a_logarithmic_axis(record):
    found = looks.looks_of(record)
    fallen = found._replace(values=found.values * 10.0 ** -np.arange(LOOKS))
    assert training.height_of(fallen, 0)[0]
    assert not training.height_of(fallen, 1)[0]
    level = found._replace(values=np.ones_like(found.values))
    wide, (low, high) = training.height_of(level, 0)
    assert not wide
    assert low < 1 < high


# ---- final losses ----


def test_levels_are_found_where_losses_gather_and_nowhere_else():
    random = np.random.default_rng(0)
    near = 1e-16 * random.random(900)
    loss = np.concatenate([near, 1 / 16 + 1e-6 * random.random(60), np.full(30, 1 / 8), 0.2 * random.random(10)])
    found = gathered(loss, 1000)
    np.testing.assert_allclose(found.loss, [0, 1 / 16, 1 / 8], rtol=1e-4)
    assert not found.wide
    assert found.count[0] >= 900
    np.testing.assert_array_equal(found.interval, estimates.wilson(found.count, 1000))
    np.testing.assert_array_equal(found.share, found.count / 1000)


def test_levels_of_few_starts_are_told_where_most_starts_are_at_levels():
    loss = np.concatenate([np.zeros(750), np.full(240, 0.02), 0.0375 + 1e-9 * np.arange(4), [0.01, 0.011, 0.03]])
    assert gathered(loss, len(loss)).count.tolist() == [750, 240, 4]
    few = np.concatenate([np.linspace(1, 2, 990), np.full(4, 1.5)])
    assert not len(gathered(few, len(few)).loss)


@pytest.mark.parametrize("count", [20, 64, 1000, 20_000])
def test_losses_that_are_spread_have_no_levels(count):
    random = np.random.default_rng(count)
    for loss, wide in (
        (9 + random.standard_normal(count), False),
        (np.exp(3 * random.standard_normal(count)), True),
        (10.0 ** random.uniform(-9, 0, count), True),
    ):
        found = gathered(loss, count)
        assert not len(found.loss)
        assert found.wide == wide
        inside = np.histogram(loss, edges(loss, found))[0].sum()
        assert inside >= 0.98 * count


def test_equal_losses_are_one_level_and_none_is_told_of_few():
    assert gathered(np.full(50, 0.25), 50).loss.tolist() == [0.25]
    assert not len(gathered(np.full(5, 0.25), 5).loss)
    assert np.all(np.diff(edges(np.full(50, 0.25), gathered(np.full(50, 0.25), 50))) > 0)
    assert np.all(np.diff(edges(np.zeros(50), gathered(np.zeros(50), 50))) > 0)


def with_losses(monkeypatch, loss):
    monkeypatch.setattr(final_losses, "final", lambda record, *names, first=None: [loss])


def test_a_figure_with_levels_tells_their_shares(record, monkeypatch):
    loss = np.repeat([0.0, 1 / 8], [920, 80])
    with_losses(monkeypatch, np.append(loss, np.nan))
    figure = final_losses.final_losses(record)
    told = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"0.125", "920", "80"} <= set(told)
    assert "1 without a finite loss are left out" in note(figure)
    share = drawn(figure.axes[0], "final losses").get_data().values
    assert share.sum() == pytest.approx(1000 / 1001)
    rows = ends.levels(record).rows
    assert [row[0].text for row in rows] == ["0", "0.125"]
    assert rows[0][2].key == pytest.approx(920 / 1001)


def test_losses_of_zero_stand_at_the_left_end_of_a_logarithmic_axis(record, monkeypatch):
    loss = np.append(10.0 ** np.random.default_rng(1).uniform(-6, 0, 99), 0.0)
    with_losses(monkeypatch, loss)
    found = final_losses.final_of(record)
    assert found.levels.wide
    assert final_losses.shares_of_bins(found).sum() == pytest.approx(1.0)
    assert "1 of exactly zero" in final_losses.note(record, found)


# ---- generalisation ----


def test_every_start_has_a_mark(record):
    figure = generalisation.generalisation(record)
    marks = np.array(next(drawn(axes, "starts") for axes in figure.axes if axes.collections).get_offsets())
    train, test = looks.final(record, "train_loss", "test_accuracy")
    np.testing.assert_array_equal(marks, np.stack([train, test], axis=1))
    assert "Spearman's rho" in note(figure)
    top, _, _, right = figure.axes
    for count, along in ((top.yaxis, top.xaxis), (right.xaxis, right.yaxis)):
        assert count.get_label_text() == "starts"
        assert (count.get_visible(), along.get_visible()) == (True, False)
        assert np.all(count.get_majorticklocs() % 1 == 0)
    assert top.axison
    assert right.axison


def test_many_starts_are_a_density_in_which_none_is_lost(record, monkeypatch):
    monkeypatch.setattr(generalisation, "MARKS", 10)
    figure = generalisation.generalisation(record)
    mesh = next(drawn(axes, "density") for axes in figure.axes if axes.collections)
    assert mesh.get_array().sum() == COUNT
    monkeypatch.setattr(ends, "MARKS", 10)
    made = ends.generalisation(record)
    assert sum(made.numbers["starts"]) == COUNT


def test_intervals_of_rank_correlations_hold_the_true_one_as_often_as_they_say():
    random = np.random.default_rng(0)
    rho = 0.6
    true = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of the normal law (Pearson 1907)
    held = []
    for _ in range(400):
        x, noise = random.standard_normal((2, 50))
        _, (low, high) = generalisation.rank_correlation(x, rho * x + np.sqrt(1 - rho**2) * noise)
        held.append(low < true < high)
    assert 0.92 < np.mean(held) < 0.98
    assert np.isnan(generalisation.rank_correlation(np.arange(9.0), np.ones(9))[0])


def test_accuracies_on_few_items_have_bins_of_equal_numbers_of_steps():
    accuracy = np.random.default_rng(0).binomial(300, 0.9, 1000) / 300
    widths = np.diff(generalisation.bins(accuracy, generalisation.ends_of(accuracy, False), False))
    np.testing.assert_allclose(widths * 300, np.round(widths * 300), atol=1e-6)
    assert widths.min() > 0.003


# ---- records, terminal and page ----


def test_figures_apply_to_runs_on_data_alone(record, tmp_path):
    written = {path.stem for path in draw(record, tmp_path)}
    assert written == ON_DATA
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())
    again = tmp_path / "again"
    once, twice = draw(mnemo.load(record.path), again), draw(record, tmp_path)
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in twice]


def test_figures_do_not_apply_to_a_function(tmp_path):
    line = mnemo.survey("parabola", starts=20, devices=1, out=tmp_path)
    assert not [name for name in ON_DATA if FIGURES[name](line) is not None]
    assert "the-training" not in report(line).read_text()
    assert any(told.startswith("Intervals") for told in terminal.notes(line))


def test_the_terminal_says_nothing_of_what_was_not_judged(record, capsys):
    terminal.show(record)
    told = capsys.readouterr().out
    assert "test accuracy" in told
    assert "Unseen" not in told
    assert "Intervals" not in told


def test_the_page_says_what_was_measured(record, page):
    text = page.read_text()
    (verdict,) = re.findall(r'<p class="verdict">(.*?)</p>', text)
    assert f"{COUNT} starts: test accuracy" in verdict
    assert "basin" not in verdict
    assert "estimated" not in verdict
    for section, there in (("training", True), ("shares", False), ("stalls", False), ("descents", True)):
        assert (f'id="the-{section}"' in text) == there
    told = told_of(page)
    assert set(told) == {"training-loss", "training-accuracy", "final-losses", "generalisation"}
    assert drawn_one_by_one(told) < RAW
    numbers = told["training-accuracy"]["numbers"]
    columns = dict(zip(numbers["names"], numbers["columns"], strict=True))
    rows = [k for k, part in enumerate(columns["part"]) if part == "validation"]
    middle = np.median(values(record, "validation_accuracy"), axis=0)
    np.testing.assert_allclose(np.array(columns["median"])[rows], middle)
    assert 'id="measures"' in text


def test_axes_over_many_decades_have_few_ticks():
    assert chart.log_axis(0.02, 2.0)["dtick"] == "D2"
    assert chart.log_axis(1e-17, 1.0)["dtick"] == 3


def test_charts_are_drawn_in_a_browser_and_saved(record, page):
    with browsing.started() as browser, browsing.tabs(browser) as tab_of:
        tab = tab_of(page)
        for name in told_of(page):
            assert tab.locator(f"#{name} {MARKS}").count() > 0, name
        file, text = saved(tab, "#generalisation [data-csv]")
        assert file == "moons-generalisation.csv"
        rows = list(csv.DictReader(io.StringIO(text)))
        train = looks.final(record, "train_loss")[0]
        assert [float(row["train_loss"]) for row in rows] == train.tolist()
        _, text = saved(tab, "#training-loss [data-svg]")
        assert text.startswith("<svg")
        tab.set_viewport_size({"width": 390, "height": 844})
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
