"""What a person reads in the terminal: right words for every kind of point, and tables that fit."""

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import mnemo_jax as mnemo
from mnemo_jax import losses, terminal


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


def test_numbers_that_are_not_finite_are_said(out, survey, capsys):
    cut = mnemo.Landscape(loss=lambda x: jnp.sum(jnp.log(x) ** 2), dim=1, lower=(-3.0,), upper=(2.0,), name="cut")
    record = survey(cut, learning_rate=0.01, starts=np.array([[-1.0], [-2.0], [1.5]]))
    terminal.show(record)
    assert f"`mnemo point {record.path} 0` shows one." in capsys.readouterr().out
    told = {"start": 0, "outcome": "non_finite", "steps": 1, "end": None, "differs": None}
    rows = [{"step": 0, "loss": None, "gradient": 1.0, "x": [1.0, None]}]
    terminal.path(told | {"path": rows})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "start 0: non finite after 1 steps"
    assert lines[2].split() == ["0", "not", "finite", "1.000e+00", "1,", "not", "finite"]


def test_kinks_are_no_matter_of_steps(survey, capsys):
    kinked = mnemo.Landscape(
        loss=lambda x: jnp.abs(x[0]) + x[1] ** 2, dim=2, lower=(-1.0, -1.0), upper=(1.0, 1.0), name="kinked"
    )
    stop = mnemo.Stop(max_steps=300)
    terminal.show(survey(kinked, optimizer="adam", learning_rate=0.05, starts=64, stop=stop))
    assert terminal.KINKED in capsys.readouterr().out


def test_answers_too_wide_are_a_column_a_line(narrow, capsys):
    answer = pa.table({"name": ["a" * 50], "what": ["[red]:smile:" + "b" * 40], "n": [None]})
    terminal.arrow(answer)
    assert capsys.readouterr().out.split() == ["name", "a" * 50, "what", "[red]:smile:" + "b" * 40, "n"]


def test_answers_are_shown_as_they_are(capsys):
    terminal.arrow(pa.table([[1, 2], [3, 4], ["[red]x", ":smile:"]], names=["n", "n", "word"]))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["n", "n", "word"], ["1", "3", "[red]x"], ["2", "4", ":smile:"]]
