"""What a person reads in the terminal: right words for every kind of point, and tables that fit."""

import json
import math
import shutil

import numpy as np
import pytest

import mnemo_jax as mnemo
from mnemo_jax import store, terminal


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
