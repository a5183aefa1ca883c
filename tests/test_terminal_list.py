"""What a person sees of a folder of records."""

import json
import math
import os
import re
import shutil

import numpy as np
import pytest

import mnemo_jax as mnemo
from mnemo_jax import cli, store, terminal_list


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Return a function that makes a record on one device."""
    out = tmp_path_factory.mktemp("runs")
    return lambda *args, **kwargs: mnemo.survey(*args, out=out, devices=1, **kwargs)


@pytest.fixture(scope="module")
def himmelblau(survey):
    return survey("himmelblau", starts=3000, recording=mnemo.Recording(block=1024))


def unfinished(record, folder):
    copy = shutil.copytree(record.path, folder / "run")
    (copy / "summary.json").unlink()
    return copy


@pytest.fixture
def listed(capsys, monkeypatch):
    """Return what prints a folder and returns its lines below the headings, without their dates."""

    monkeypatch.setattr(terminal_list.out, "width", 300)

    def lines(folder):
        terminal_list.show(folder)
        printed = capsys.readouterr().out.splitlines()
        return [re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d *$", "", line).strip() for line in printed[1:]]

    return lines


def test_what_tells_a_run_from_others(himmelblau, tmp_path, listed):
    run = shutil.copytree(himmelblau.path, tmp_path / "run")
    words = [
        str(run),
        "run",
        "himmelblau",
        "sgd 0.005",
        "float64",
        "0",
        "3,000",
        str(len(himmelblau.catalogue.x)),
        "done",
    ]
    assert re.split("  +", listed(tmp_path)[0]) == words


def test_an_optimizers_numbers(survey, tmp_path, listed):
    optimizer = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "nesterov": True}
    shutil.copytree(survey("double_well", starts=8, optimizer=optimizer).path, tmp_path / "run")
    assert re.split("  +", listed(tmp_path)[0])[3] == "sgd 0.01, momentum 0.9"


@pytest.mark.parametrize(("size", "done", "percent"), [(None, "3,000", 100), (300, "1,976", 65), (0, "1,976", 65)])
def test_a_damaged_block_counts_as_not_done(himmelblau, tmp_path, listed, size, done, percent):
    block = unfinished(himmelblau, tmp_path) / "starts" / "000001.parquet"
    if size is not None:
        block.write_bytes(block.read_bytes()[:size])
    assert f"{done}          unfinished, {percent} %" in listed(tmp_path)[0]


@pytest.mark.parametrize("starts", [mnemo.Grid(shape=(9, 5)), mnemo.Sobol(count=64), np.zeros((7, 2))], ids=str)
def test_the_part_done_of_every_kind_of_starts(survey, tmp_path, listed, starts):
    folder = unfinished(survey("himmelblau", starts=starts, recording=mnemo.Recording(block=4)), tmp_path)
    (folder / "starts" / "000000.parquet").unlink()
    total = 7 if isinstance(starts, np.ndarray) else getattr(starts, "count", 45)
    assert f"unfinished, {math.floor(100 * (total - 4) / total)} %" in listed(tmp_path)[0]


def test_a_file_of_points_does_not_say_how_many(survey, tmp_path, listed):
    np.save(tmp_path / "p.npy", np.zeros((7, 2)))
    unfinished(survey("himmelblau", starts=mnemo.Points(path=str(tmp_path / "p.npy"))), tmp_path)
    assert listed(tmp_path)[0].split()[-2:] == ["7", "unfinished"]


def test_newer_and_damaged_records_hide_no_others(himmelblau, tmp_path, listed):
    for name in ("damaged", "newer", "whole"):
        shutil.copytree(himmelblau.path, tmp_path / name)
    (tmp_path / "damaged" / "summary.json").write_text("{")
    (tmp_path / "damaged" / "journal.jsonl").write_bytes(b"\xff\n5\n")
    path = tmp_path / "newer" / "provenance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": store.SCHEMA + 1}))
    states = [re.split("  +", line)[-1] for line in listed(tmp_path)]
    assert states == ["damaged", "needs a newer mnemo_jax", "done"]


def test_folders_of_several_runs(himmelblau, tmp_path, listed):
    for name in ("a-sweep-0", "b-compare-0", "c"):
        shutil.copytree(himmelblau.path, tmp_path / name / "cell")
    (tmp_path / "a-sweep-0" / "sweep.json").write_text("{}")
    (tmp_path / "b-compare-0" / "compare.json").write_text("{}")
    shutil.copytree(himmelblau.path, tmp_path / "d-sweep-0" / "cell")
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "verdicts.json").write_text("{}")
    (tmp_path / "other").mkdir()
    told = [re.split("  +", line)[1:] for line in listed(tmp_path)]
    done = [["sweep", "done, 1 run"], ["comparison", "done, 1 run"]]
    assert told == [*done, ["claims", "done"], ["sweep", "unfinished"]]


def test_a_name_stands_for_its_newest_record(himmelblau, tmp_path, monkeypatch, capsys):
    for hashed, day in (("0123abcd", 3), ("0123abcd-2", 2), ("89abcdef", 1)):
        folder = shutil.copytree(himmelblau.path, tmp_path / "runs" / f"well-{hashed}")
        os.utime(folder / "journal.jsonl", (day, day))
    for hashed, day in (("01234567", 1), ("89abcdef", 2)):
        sweep = shutil.copytree(himmelblau.path, tmp_path / "runs" / f"well-sweep-{hashed}" / "cell").parent
        (sweep / "sweep.json").write_text("{}")
        os.utime(sweep / "sweep.json", (day, day))
    (tmp_path / "runs" / "well-sweep-01234567" / "figures").mkdir()  # does not make it newer
    monkeypatch.chdir(tmp_path)
    for word in ("well", "runs/well"):
        assert str(cli._newest(cli.Path(word))) == "runs/well-0123abcd"
        assert capsys.readouterr().err == f"mnemo: {word}: taking runs/well-0123abcd, the newest of 3\n"
    assert str(cli._newest(cli.Path("runs/well-sweep"))) == "runs/well-sweep-89abcdef"
    assert "the newest of 2" in capsys.readouterr().err
    for word in ("wel", "runs/well-0123", "elsewhere/well"):
        assert str(cli._newest(cli.Path(word))) == word
