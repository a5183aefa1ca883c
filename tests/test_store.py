"""Files appear whole or not at all, damage is told, and a lock lives as long as its process."""

import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from mnemo_jax import journal, store
from mnemo_jax.errors import MnemoError, UserError

NUMBERS = np.random.default_rng(0).standard_normal(2000)
TABLE = pa.table(
    {
        "start": pa.array(np.arange(1000)),
        "loss": pa.array(NUMBERS[:1000]),
        "x": store.vectors(NUMBERS.reshape(1000, 2)),
        "kind": store.words(np.arange(1000) % 2, ["minimum", "saddle"]),
        "label": store.nullable(np.arange(1000) - 10),
    }
)


DRAW = np.random.default_rng(1)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Columns.


@pytest.mark.parametrize(
    "values",
    [DRAW.integers(-5, 9, 21), DRAW.random(17), DRAW.random(13) < 0.5, DRAW.integers(-3, 3, 9).astype(np.int8)],
)
def test_columns_are_those_of_arrow_there_and_back(values):
    null = DRAW.random(len(values)) < 0.3
    for own, missing in ((values, null), (values[::2], null[::2]), (values[:0], null[:0])):
        assert store.column(own).equals(pa.array(own))
        column = store.column(own, null=missing)
        assert column.equals(pa.array(own, mask=missing))
        for given in (column, column[1:], pa.chunked_array([column, column]), pa.chunked_array([], column.type)):
            found, none = store.numbers(given, null=-1), values.dtype.type(-1)
            assert found.tolist() == [none if value is None else value for value in given.to_pylist()]
        assert store.numbers(store.column(own)).dtype == own.dtype
    names = ["minimum", "größer"]
    found = store.words(np.array([0, 1, 1]), names)
    assert found.to_pylist() == ["minimum", "größer", "größer"]


def test_records_are_written_and_read_without_pandas(tmp_path):
    code = """if True:
        import sys
        import numpy as np
        from pathlib import Path
        from mnemo_jax import store
        numbers, path = np.arange(5), Path("t.parquet")
        made = {"n": numbers, "x": store.vectors(numbers[:, None] * 0.5), "w": store.words(numbers % 2, ["a", "b"])}
        store.write_table(path, store.table(made | {"p": store.nullable(numbers - 2)}, null=("p",)))
        table = store.read_table(path, without=("x",))
        assert store.numbers(table["p"], null=-1).tolist() == [-1, -1, 0, 1, 2]
        assert store.codes(table["w"], ["b", "a"]).tolist() == [1, 0, 1, 0, 1]
        assert store.matrix(store.read_table(path)["x"]).shape == (5, 1)
        sys.exit("pandas" in sys.modules)"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


# Writing.


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a" / "b" / "value.json"
    store.write_json(path, {"x": np.float32(0.5), "n": np.arange(3), "deep": [(1, np.int64(2))]})
    assert store.read_json(path) == {"x": 0.5, "n": [0, 1, 2], "deep": [[1, 2]]}
    store.write_table(tmp_path / "t.parquet", TABLE)
    found = store.read_table(tmp_path / "t.parquet")
    assert found.column("label").null_count == 10
    for name in TABLE.column_names:
        assert found.column(name).to_pylist() == TABLE.column(name).to_pylist()
    np.testing.assert_array_equal(store.matrix(found.column("x")), NUMBERS.reshape(1000, 2))
    others = [name for name in TABLE.column_names if name != "x"]
    assert store.read_table(tmp_path / "t.parquet", without=("x", "none")).column_names == others
    store.write_npz(tmp_path / "p.npz", {"x": NUMBERS})
    np.testing.assert_array_equal(np.load(tmp_path / "p.npz")["x"], NUMBERS)
    assert files(tmp_path) == ["a/b/value.json", "p.npz", "t.parquet"]


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("before", [None, b'{"old": 1}\n'])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, call, before):
    path = tmp_path / "summary.json"
    if before is not None:
        path.write_bytes(before)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, call, full)
    with pytest.raises(MnemoError) as caught:
        store.write_json(path, {"new": 2})
    monkeypatch.undo()
    assert caught.value.exit_code == 1
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be written (No space left on device)")
    assert "what is there already is whole" in message
    assert "\n" not in message
    assert files(tmp_path) == ([] if before is None else ["summary.json"])
    if before is not None:
        assert path.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from mnemo_jax import store
os.replace = os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
store.write_json(Path(sys.argv[1]) / "summary.json", {"new": 2})
"""


def test_a_kill_in_the_middle_leaves_what_was_there(tmp_path):
    store.write_json(tmp_path / "summary.json", {"old": 1})
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert store.read_json(tmp_path / "summary.json") == {"old": 1}
    assert [path.name for path in tmp_path.glob("*.json")] == ["summary.json"], "what is left is no file of the record"
    (tmp_path / ".lock").touch()
    (tmp_path / "starts").mkdir()
    (tmp_path / "starts" / ".000001.parquet.4711").touch()
    assert len(list(tmp_path.glob(".*.*"))) == 1
    store.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".lock", "starts", "summary.json"]


@pytest.mark.parametrize("below", ["taken", "taken/deeper"])
def test_a_folder_that_cannot_be_written(tmp_path, below):
    # also for root, whom permissions do not stop
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"cannot be written.*--out") as caught:
        store.write_bytes(tmp_path / below / "x.json", b"1")
    assert str(tmp_path / below) in str(caught.value)
    with pytest.raises(UserError, match=r"cannot be written.*--out"), store.locked(tmp_path / below):
        pass
    assert files(tmp_path) == ["taken"]


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
def test_a_folder_without_permission(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"Permission denied.*--out"):
        store.write_bytes(closed / "x.json", b"1")


@pytest.mark.parametrize("code", ["EACCES", "EROFS", "EPERM"])
def test_the_systems_refusals_are_the_users_to_solve(tmp_path, monkeypatch, code):
    def refused(*args, **kwargs):
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(store.os, "replace", refused)
    with pytest.raises(UserError, match="choose another folder with --out"):
        store.write_bytes(tmp_path / "x.json", b"1")


# Reading.


@pytest.mark.parametrize("data", [b"", b'{"a": 1', b"\xff\xfe", b"nonsense", b"\x00" * 100])
def test_damaged_json(tmp_path, data):
    path = tmp_path / "summary.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is damaged .*; run its config with --fresh") as caught:
        store.read_json(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("parts", [[], [[]], [[2, 0, 2], [], [1]]])
def test_words_are_read_as_the_codes_they_were(parts):
    names = ["calm", "wild", "lost"]
    chunks = [store.words(np.array(part, np.int8), names[::-1]) for part in parts]
    column = pa.chunked_array(chunks, pa.dictionary(pa.int8(), pa.string()))
    assert store.codes(column, names).tolist() == [2 - code for part in parts for code in part]


def test_missing_files(tmp_path):
    with pytest.raises(UserError, match=r"summary.json: no such file; is .* the folder of a run\?"):
        store.read_json(tmp_path / "summary.json")
    for read, name in ((store.read_table, "catalogue.parquet"), (store.read_npz, "paths.npz")):
        with pytest.raises(UserError, match=rf"{name}: is missing .*--fresh"):
            read(tmp_path / name)
    assert not store.is_whole(tmp_path / "catalogue.parquet")
    assert journal.entries(tmp_path) == []


def test_parquet_cut_anywhere(tmp_path):
    path = tmp_path / "t.parquet"
    store.write_table(path, TABLE)
    whole = path.read_bytes()
    assert store.is_whole(path)
    assert store.rows(path) == len(TABLE)
    for size in [*range(0, len(whole) - 1, len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert not store.is_whole(path)
        assert store.rows(path) is None
        with pytest.raises(UserError, match=r"t\.parquet: is damaged .*; run its config with --fresh") as caught:
            store.read_table(path)
        assert "\n" not in str(caught.value)


def test_parquet_overwritten_by_something_else(tmp_path):
    path = tmp_path / "t.parquet"
    for data in (b"PAR1PAR1", b"nothing of the kind " * 50, b"PAR1" + b"\x00" * 100 + b"PAR1"):
        path.write_bytes(data)
        assert not store.is_whole(path)
        with pytest.raises(UserError, match="is damaged"):
            store.read_table(path)


def test_arrays_cut_anywhere(tmp_path):
    path = tmp_path / "p.npz"
    store.write_npz(path, {"x": NUMBERS, "n": np.arange(5)})
    whole = path.read_bytes()
    np.testing.assert_array_equal(store.read_npz(path)["x"], NUMBERS)
    for size in [*range(0, len(whole) - 1, len(whole) // 20), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"p\.npz: is damaged .*; run its config with --fresh"):
            store.read_npz(path)
    path.write_bytes(whole[:200] + bytes(1000) + whole[1200:])
    with pytest.raises(UserError, match=r"p\.npz: is damaged"):
        store.read_npz(path)


def test_a_flipped_bit_is_told_or_changes_nothing(tmp_path):
    path = tmp_path / "t.parquet"
    store.write_table(path, TABLE)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(8, len(whole) // 2, 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert store.read_table(path).equals(TABLE), f"byte {place}"
        except UserError as error:
            assert "is damaged" in str(error)  # noqa: PT017 - reading may go well, too


def test_a_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / journal.NAME
    lines = [json.dumps({"block": k, "useful": 10 * k}) for k in range(4)]
    text = "\n".join(lines)
    for size in range(len(text) + 1):
        path.write_text(text[:size])
        found = journal.entries(tmp_path)
        whole = sum(len("\n".join(lines[: k + 1])) <= size for k in range(4))
        assert found == [json.loads(line) for line in lines[:whole]]


# Strict JSON.


def test_no_number_becomes_null():
    value = {
        "nan": float("nan"),
        "inf": np.inf,
        "minus": -np.inf,
        "scalar": np.float64("nan"),
        "single": np.float32("inf"),
        "array": np.array([[1.0, np.nan], [np.inf, 2.0]]),
        "tuple": (np.nan, 1),
        3: True,
        "flag": np.bool_(False),
        "words": ["NaN", None],
        "whole": np.int32(7),
        "empty": np.empty(0),
    }
    found = store.strict(value)
    assert found == {
        "nan": None,
        "inf": None,
        "minus": None,
        "scalar": None,
        "single": None,
        "array": [[1.0, None], [None, 2.0]],
        "tuple": [None, 1],
        "3": True,
        "flag": False,
        "words": ["NaN", None],
        "whole": 7,
        "empty": [],
    }
    assert type(found["flag"]) is bool
    assert type(found["whole"]) is int
    assert json.loads(json.dumps(found, allow_nan=False)) == found


# The lock.

HOLDER = """
import sys, time
from pathlib import Path
from mnemo_jax import store
with store.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the lock of ``tmp_path``."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path, holder):
    for _ in range(2):
        with pytest.raises(UserError, match="another process is writing this record"), store.locked(tmp_path):
            pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with store.locked(tmp_path):
        pass


def test_a_lock_ends_with_its_block(tmp_path):
    folder = tmp_path / "new" / "run"
    with store.locked(folder), pytest.raises(UserError, match="another process"), store.locked(folder):
        pass

    class Stop(Exception):
        pass

    with pytest.raises(Stop), store.locked(folder):
        raise Stop
    with store.locked(folder):
        pass
