"""What a person reads in the terminal: right words for every kind of point, and tables that fit."""

import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pytest

import mnemo_jax as mnemo
from mnemo_jax import losses, store, terminal


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def survey(out):
    """Return a function that makes a record on one device."""
    return lambda *args, **kwargs: mnemo.survey(*args, out=out, devices=1, **kwargs)


@pytest.fixture(scope="module")
def himmelblau(survey):
    return survey("himmelblau", starts=3000, recording=mnemo.Recording(block=1024))


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(terminal.out, "width", 80)


# Runs.


def unfinished(record, folder):
    copy = shutil.copytree(record.path, folder / "run")
    (copy / "summary.json").unlink()
    return copy


def listed(folder, capsys):
    terminal.runs(folder)
    return capsys.readouterr().out


def test_runs_are_listed_with_their_states(himmelblau, tmp_path, capsys):
    shutil.copytree(himmelblau.path, tmp_path / "run")
    size = str(len(himmelblau.catalogue.x))
    assert listed(tmp_path, capsys).split()[-4:] == [str(tmp_path / "run"), "3,000", size, "done"]


@pytest.mark.parametrize(("size", "done", "percent"), [(None, "3,000", 100), (300, "1,976", 65), (0, "1,976", 65)])
def test_a_damaged_block_counts_as_not_done(himmelblau, tmp_path, capsys, size, done, percent):
    block = unfinished(himmelblau, tmp_path) / "starts" / "000001.parquet"
    if size is not None:
        block.write_bytes(block.read_bytes()[:size])
    assert f"{done}          unfinished, {percent} %" in listed(tmp_path, capsys)


@pytest.mark.parametrize("starts", [mnemo.Grid(shape=(9, 5)), mnemo.Sobol(count=64), np.zeros((7, 2))], ids=str)
def test_the_part_done_of_every_kind_of_starts(survey, tmp_path, capsys, starts):
    folder = unfinished(survey("himmelblau", starts=starts, recording=mnemo.Recording(block=4)), tmp_path)
    (folder / "starts" / "000000.parquet").unlink()
    total = 7 if isinstance(starts, np.ndarray) else getattr(starts, "count", 45)
    assert f"unfinished, {math.floor(100 * (total - 4) / total)} %" in listed(tmp_path, capsys)


def test_a_file_of_points_does_not_say_how_many(survey, tmp_path, capsys):
    np.save(tmp_path / "p.npy", np.zeros((7, 2)))
    unfinished(survey("himmelblau", starts=mnemo.Points(path=str(tmp_path / "p.npy"))), tmp_path)
    assert listed(tmp_path, capsys).split()[-2:] == ["7", "unfinished"]


def test_newer_and_damaged_records_hide_no_others(himmelblau, tmp_path, capsys):
    for name in ("damaged", "newer", "whole"):
        shutil.copytree(himmelblau.path, tmp_path / name)
    (tmp_path / "damaged" / "summary.json").write_text("{")
    path = tmp_path / "newer" / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": store.SCHEMA + 1}))
    states = [line.split(maxsplit=1)[1].strip() for line in listed(tmp_path, capsys).splitlines()[1:]]
    assert [state.split()[-1] for state in states] == ["damaged", "mnemo_jax", "done"]
    assert states[1] == "needs a newer mnemo_jax"


# One sentence.


def test_points_of_any_kind_have_their_words(survey):
    known = losses.build("himmelblau").known
    starts = np.array([point.x for point in known])
    told = terminal.sentence(survey("himmelblau", starts=starts))
    assert told == (
        "himmelblau: 9 starts reached 4 minima; the largest basin holds 11.11 %; "
        "4 starts ended at saddles; 1 start ended at a maximum"
    )
    told = terminal.sentence(survey("double_well", starts=np.zeros((1, 1))))
    assert told == "double_well: 1 start reached no minimum; 1 start ended at a maximum"
    told = terminal.sentence(survey("monkey_saddle", starts=np.zeros((2, 2))))
    assert told == "monkey_saddle: 2 starts reached no minimum; 2 starts ended at a saddle"
    cubic = mnemo.Landscape(loss=lambda x: x[0] ** 3, dim=1, lower=(-1.0,), upper=(1.0,), name="cubic")
    told = terminal.sentence(survey(cubic, learning_rate=0.1, starts=np.zeros((1, 1))))
    assert told == "cubic: 1 start reached no minimum; 1 start ended at an inflection"


def test_the_largest_basin_is_a_minimums(survey):
    record = survey("double_well", starts=np.array([[0.0], [0.0], [1.0]]))
    told = terminal.sentence(record)
    assert "reached 1 minimum; the largest basin holds 33.33 %; 2 starts ended at a maximum" in told


# Tables.


def test_stalls_that_are_not_stored_are_said(survey, capsys):
    """Adam with a large learning rate comes back to the same flat places time and again."""
    stop = mnemo.Stop(max_steps=3000)
    record = survey("beale", starts=400, optimizer="adam", learning_rate=0.9, stop=stop)
    stored = record.stalls().num_rows
    assert stored < record.summary["stalls"]["total"]
    terminal.show(record)
    assert f"Rows count {stored:,} stalls: only the first four of a start are stored" in capsys.readouterr().out


def test_all_stalls_stored_need_no_word(himmelblau, capsys):
    assert himmelblau.summary["stalls"]["total"] == himmelblau.stalls().num_rows > 0
    terminal.show(himmelblau)
    assert "Rows count" not in capsys.readouterr().out


def test_steps_have_separators(survey, capsys):
    record = survey("parabola", starts=20, learning_rate=0.001)
    steps = record.shares.median_steps[0]
    assert steps > 1000
    terminal.show(record)
    assert f"  {steps:,}\n" in capsys.readouterr().out


def test_a_narrow_terminal_is_told_what_it_lacks(himmelblau, narrow, capsys):
    terminal.show(himmelblau)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["2", "3,", "2"] and line.rstrip().endswith("%") for line in lines)
    assert "A wider terminal shows the smallest eigenvalue and the steps too." in map(str.strip, lines)


def test_a_pipe_has_every_column(himmelblau, capsys):
    terminal.show(himmelblau)
    told = capsys.readouterr().out
    assert "smallest eigenvalue" in told
    assert "A wider terminal" not in told


def test_answers_too_wide_are_a_column_a_line(narrow, capsys):
    answer = pa.table({"name": ["a" * 50], "what": ["[red]:smile:" + "b" * 40], "n": [None]})
    terminal.arrow(answer)
    assert capsys.readouterr().out.split() == ["name", "a" * 50, "what", "[red]:smile:" + "b" * 40, "n"]


def test_answers_are_shown_as_they_are(capsys):
    terminal.arrow(pa.table([[1, 2], [3, 4], ["[red]x", ":smile:"]], names=["n", "n", "word"]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["n", "n", "word"], ["1", "3", "[red]x"], ["2", "4", ":smile:"]]
