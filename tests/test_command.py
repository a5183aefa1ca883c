"""The command: results, exit codes, kills; in processes of its own but where nothing depends on the process."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mnemo_jax import cli

CONFIG = """
name = "wells"
[loss]
name = "double_well"
args = { tilt = 0.5 }
[starts]
count = 60_000
[record]
block = 4096
"""
ENVIRONMENT = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(Path(tempfile.gettempdir()) / "mnemo-jax-tests")}
MNEMO = (sys.executable, "-c", "from mnemo_jax.cli import main; main()")


def mnemo(*words, cwd, code=0):
    done = subprocess.run([*MNEMO, *map(str, words)], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def here(place, monkeypatch):
    """Return what runs the command in this process, whose devices are there already."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(cli, "_start_jax", lambda _: "cpu")

    def run(*words, code=0):
        done = CliRunner().invoke(cli.app, [*map(str, words)])
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    (folder / "wells.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def told(place):
    return json.loads(mnemo("run", "wells.toml", "--json", "--devices", "2", cwd=place).stdout)


def test_run_prints_one_json_object(told):
    assert told["starts"] == 60_000
    assert sum(told["outcomes"].values()) == 60_000
    assert told["record"].startswith("runs/wells-")


def test_run_again_prints_the_finished_record(place, told):
    again = mnemo("run", "wells.toml", cwd=place)
    assert "60,000 starts reached 2 minima" in again.stdout
    assert "not computed again" in again.stderr
    assert told["fingerprint"][:16] in again.stdout
    assert len(list((place / "runs").iterdir())) == 1


def test_one_device_gives_the_same_fingerprint(place, told):
    other = mnemo("run", "wells.toml", "--json", "--devices", "1", "--out", "one", cwd=place)
    assert json.loads(other.stdout)["fingerprint"] == told["fingerprint"]


@pytest.mark.parametrize("seed", [0, 1])
def test_kill_at_any_moment_and_resume(place, told, seed):
    """kill -9 at random moments until the run is through: fingerprint and block files equal the undisturbed run's."""
    out, moments, kills = f"killed{seed}", random.Random(seed), 0
    folder = place / out
    for _ in range(12):
        blocks = len(list(folder.glob("*/starts/*.parquet")))
        process = subprocess.Popen(
            [*MNEMO, "run", "wells.toml", "--json", "--devices", "2", "--out", out],
            cwd=place,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        deadline = time.monotonic() + 60
        # a process that has written a block is surely at work; wait a little longer than that, then strike
        while process.poll() is None and len(list(folder.glob("*/starts/*.parquet"))) <= blocks:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        if kills < 3:
            time.sleep(moments.uniform(0, 0.08))
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        if process.returncode == 0:
            break
        kills += 1
    assert kills >= 1
    assert json.loads(output)["fingerprint"] == told["fingerprint"]
    for path in (place / told["record"]).glob("*/*.parquet"):
        relative = path.relative_to(place / "runs")
        assert (folder / relative).read_bytes() == path.read_bytes(), relative


def test_records_are_listed_shown_and_queried(here, told):
    record = told["record"]
    assert "done" in here("list").stdout
    assert "2 of 3" in here("show", record, "--top", "2").stdout
    shown = json.loads(here("show", record, "--json", "--top", "1").stdout)
    assert len(shown["catalogue"]) == 1
    assert shown["catalogue_size"] == told["catalogue_size"]
    rows = json.loads(here("query", "SELECT count(*) AS n FROM starts", record, "--json").stdout)
    assert rows == [{"n": 60_000}]
    text = "SELECT 2::HUGEINT ** 60 AS big, 0.5::DECIMAL(3, 1) AS half, 'nan'::DOUBLE AS none, [1, 2] AS list"
    rows = json.loads(here("query", text, record, "--json").stdout)
    assert rows == [{"big": 2**60, "half": 0.5, "none": None, "list": [1, 2]}]


def test_a_point_is_followed_again_in_another_process(place, told):
    path = json.loads(mnemo("point", told["record"], "7", "--json", cwd=place).stdout)
    assert path["differs"] is None
    assert path["path"][-1]["gradient"] <= 1e-8
    assert all(type(row[key]) is float for row in path["path"] for key in ("loss", "gradient"))


def test_other_commands(place, here):
    assert "double_well" in here("losses").stdout
    assert max(map(len, here("losses").stdout.splitlines())) < 400
    assert "[-3, 3]" in here("losses", "double_well").stdout
    assert "did you mean 'double_well'?" in here("losses", "doublewell", code=2).stderr
    rates = {row["name"]: row["learning_rate"] for row in json.loads(here("losses", "--json").stdout)}
    assert rates["double_well"] == 0.01
    assert all(rate is None or rate > 0 for rate in rates.values())
    assert json.loads(here("schema").stdout)["properties"]["loss"]
    assert mnemo("--version", cwd=place).stdout == f"mnemo_jax {version('mnemo_jax')}\n"
    assert "float64" in mnemo("doctor", cwd=place).stdout


def test_mistakes_end_processes_with_two(place):
    for words, said in (
        (("run", "none.toml"), "none.toml: no such file"),
        (("show", "nowhere"), "not the folder of a"),
    ):
        done = mnemo(*words, cwd=place, code=2)
        assert said in done.stderr
        assert done.stdout == ""
    assert "--devices 0" in mnemo("run", "wells.toml", "--devices", "0", cwd=place, code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "none.toml"), "none.toml: no such file"),
        (("run", "wells.toml", "starts.cuont=3"), "starts.cuont: unknown key; did you mean 'count'?"),
        (("run", "wells.toml", "starts.count=0"), "starts.count"),
        (("run", "wells.toml", "--out", "/proc/nowhere"), "choose another folder with --out"),
        (("show", "nowhere"), "not the folder of a run"),
        (("list", "nowhere"), "nowhere: no such folder"),
        (("show", "wells.toml"), "wells.toml: is a file; `mnemo run` carries out a config"),
        (("run", "."), ".: is a folder; give a TOML file"),
        (("show", "a" * 300), "is too long for a path"),
        (("report", "a", "b", "--out", "x.html"), "--out x.html: is one file, and there are 2 records"),
        (("claims", "."), "wells.toml: is the config of a run, not a claim"),
        (("run", "wells.toml", "starts.count=abc"), "override starts.count=abc: starts.count: "),
        (("run", "wells.toml", "loss.symmetry=[{kind='sign'}]"), "loss.symmetry: the loss has no such sign: it is "),
        (("search", "wells.toml", "loss.periodic=true"), "override loss.periodic=true: loss.periodic: the loss has no"),
    ],
)
def test_mistakes_end_with_two_and_leave_nothing_behind(place, here, words, said):
    before = sorted(place.rglob("*"))
    done = here(*words, code=2)
    assert said in done.stderr
    assert done.stdout == ""
    assert sorted(place.rglob("*")) == before


def test_interrupt_ends_with_130_and_keeps_what_is_done(place):
    process = subprocess.Popen(
        [*MNEMO, "run", "wells.toml", "starts.count=20_000_000", "--out", "long"],
        cwd=place,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list((place / "long").glob("*/starts/*.parquet")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
