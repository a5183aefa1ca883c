"""The record: equal bytes however a run was cut up, and clear words where a record is damaged."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import mnemo_jax as mnemo
from mnemo_jax import store
from mnemo_jax.query import ask
from mnemo_jax.terminal import sentence


def run(out, devices, block, **changes):
    return mnemo.survey(
        "himmelblau",
        starts=3000,
        out=out,
        devices=devices,
        recording=mnemo.Recording(block=block),
        fresh=True,
        **changes,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def record(out):
    return run(out, 1, 1024)


def copied(record, tmp_path):
    return shutil.copytree(record.path, tmp_path / "copy")


@pytest.mark.parametrize(("devices", "block"), [(4, 1024), (3, 700), (2, 5000)])
def test_fingerprint_does_not_depend_on_devices_or_blocks(record, out, devices, block):
    assert run(out, devices, block).fingerprint == record.fingerprint


def test_a_point_is_that_of_its_first_start_wherever_blocks_end(out):
    """Start 0 stalls where start 1 ends: the catalogue has what the first of them makes of the point."""
    starts = np.array([[1e-9], [0.0], [0.5], [1e-8]])
    found = []
    for block in (1, 2, 4):
        recording = mnemo.Recording(block=block)
        found.append(mnemo.survey("double_well", starts=starts, out=out, recording=recording, fresh=True))
    assert len({record.fingerprint for record in found}) == 1
    assert found[0].catalogue.first.tolist() == [2, 0]


def test_block_files_of_equal_size_have_equal_bytes(record, out):
    other = run(out, 4, 1024)
    for folder in ("starts", "points", "stalls"):
        names = sorted(path.name for path in (record.path / folder).iterdir())
        assert len(names) == 3
        for name in names:
            assert (record.path / folder / name).read_bytes() == (other.path / folder / name).read_bytes()


def test_blocks_whose_columns_may_hold_nulls_are_read_beside_others(record, tmp_path):
    copy = mnemo.load(copied(record, tmp_path))
    for folder in ("starts", "stalls"):
        path = sorted((copy.path / folder).iterdir())[0]
        table = store.read_table(path)
        assert not table.schema.field("start").nullable
        store.write_table(path, table.cast(pa.schema([field.with_nullable(True) for field in table.schema])))
    assert copy.starts().to_pylist() == record.starts().to_pylist()
    assert repr(copy.stalls().to_pylist()) == repr(record.stalls().to_pylist())  # NaN is not equal to itself


def test_another_seed_is_another_fingerprint(record, out):
    assert run(out, 1, 1024, seed=1).fingerprint != record.fingerprint


def test_numbers_add_up(record):
    told = json.loads(json.dumps(record.json(), allow_nan=False))
    assert sum(told["outcomes"].values()) == told["starts"] == 3000
    assert sum(point["count"] for point in told["catalogue"]) == told["outcomes"]["converged"] - told["unlabelled"]
    assert told["catalogue_size"] == len(told["catalogue"])
    assert told["lane_steps"]["useful"] == told["steps"] + told["starts"]
    assert 0 < told["lane_efficiency"] <= 1
    assert {"descent", "total", "compile"} <= set(told["seconds"])
    assert told["record"] == str(record.path)
    for point in told["catalogue"]:
        assert point["interval_simultaneous"][0] <= point["interval"][0] <= point["share"] <= point["interval"][1]
    table = record.starts()
    assert table["start"].to_pylist() == list(range(3000))
    counts = np.bincount(table["label"].drop_null().to_numpy(), minlength=told["catalogue_size"])
    assert counts.tolist() == record.shares.count.tolist()
    steps = table["steps"].to_numpy()
    labels = np.array(table["label"].fill_null(-1))
    for label, median in enumerate(record.shares.median_steps):
        mine = np.sort(steps[labels == label])
        assert median == (mine[(len(mine) - 1) // 2] if len(mine) else -1)


def test_stalls_are_joined_to_their_points(record):
    stalls, told = record.stalls().to_pandas(), record.summary["stalls"]
    assert told["total"] == record.starts("stalls")["stalls"].to_numpy().sum()
    for place in told["places"]:
        rows = stalls[stalls["label"].isna()] if place["label"] is None else stalls[stalls["label"] == place["label"]]
        assert len(rows) == place["stalls"]
        assert rows["length"].max() == place["longest"]
        assert rows["censored"].sum() == place["censored"]


def test_first_starts_are_the_head_of_all_and_need_only_their_blocks(record, monkeypatch):
    starts, stalls = record.starts(), record.stalls()
    read = []
    real = store.read_table
    monkeypatch.setattr(store, "read_table", lambda path: read.append(path.name) or real(path))
    for first, blocks in ((1, 1), (1024, 1), (1500, 2), (9999, 3)):
        read.clear()
        assert record.starts(first=first).equals(starts.slice(0, first))
        assert record.starts("label", "steps", first=first).equals(starts.slice(0, first).select(["label", "steps"]))
        assert record.stalls(first=first).equals(stalls.filter(pc.field("start") < first))
        assert set(read) == {f"{number:06d}.parquet" for number in range(blocks)}
    assert pa.concat_tables(record.start_blocks()).equals(starts)


def test_record_opens_without_us(record):
    table = pq.read_table(record.path / "starts" / "000000.parquet")
    assert table.column_names[:5] == ["start", "outcome", "steps", "period", "point"]
    assert set(table["outcome"].to_pylist()) == {"converged"}


def test_query_equals_the_arrays(record):
    rows = ask(
        "SELECT label, count(*) AS n, median(steps) AS m FROM starts GROUP BY label ORDER BY label", [record.path]
    )
    found = {row["label"]: row["n"] for row in rows.to_pylist()}
    assert found == {k: n for k, n in enumerate(record.shares.count.tolist()) if n}
    kinds = ask("SELECT label, kind, x[1] AS first FROM catalogue ORDER BY label", [record.path])
    np.testing.assert_array_equal(kinds["first"].to_numpy(), record.catalogue.x[:, 0])
    stalls = ask("SELECT count(*) AS n FROM stalls", [record.path]).to_pylist()
    assert stalls[0]["n"] == record.stalls().num_rows
    two = ask("SELECT DISTINCT run FROM starts", [record.path, record.path])
    assert two.num_rows == 1
    with pytest.raises(mnemo.UserError, match="query failed"):
        ask("SELECT nothing FROM nowhere", [record.path])


def test_finished_record_is_not_computed_again(record, monkeypatch):
    monkeypatch.setattr("mnemo_jax.pipeline.send", lambda *a: pytest.fail("computed again"))
    again = mnemo.survey("himmelblau", starts=3000, out=record.path.parent, recording=mnemo.Recording(block=1024))
    assert again.fingerprint == record.fingerprint


def test_truncated_block_is_said_and_computed_again(record, tmp_path):
    out = tmp_path / "runs"
    folder = shutil.copytree(record.path, out / record.path.name.removesuffix("-2"))
    damaged = folder / "starts" / "000001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(mnemo.UserError, match="damaged"):
        mnemo.load(folder).starts()
    (folder / "summary.json").unlink()
    with pytest.warns(UserWarning, match="damaged"):
        again = mnemo.survey("himmelblau", starts=3000, out=out, devices=1, recording=mnemo.Recording(block=1024))
    assert again.path == folder
    assert again.fingerprint == record.fingerprint


@pytest.mark.parametrize("name", ["starts/000000", "starts/000001", "stalls/000002", "catalogue", "labels"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_queries_name_the_damaged_file(record, tmp_path, name, how):
    folder = copied(record, tmp_path)
    path = folder / f"{name}.parquet"
    whole = path.read_bytes()
    flipped = whole[:10] + bytes(byte ^ 0x5A for byte in whole[10:60]) + whole[60:]
    path.write_bytes(whole[:-40] if how == "cut" else flipped)
    view = name.partition("/")[0].replace("labels", "starts")
    with pytest.raises(mnemo.UserError, match=rf"{name}\.parquet: is damaged .*--fresh"):
        ask(
            f"SELECT max(v) FROM (UNPIVOT (SELECT COLUMNS(*)::text FROM {view}) ON COLUMNS(*) INTO NAME n VALUE v)",
            [folder],
        )


def test_newer_schema_is_refused(record, tmp_path):
    folder = copied(record, tmp_path)
    told = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps(told | {"schema": store.SCHEMA + 1}))
    with pytest.raises(mnemo.UserError, match=f"schema {store.SCHEMA + 1}"):
        mnemo.load(folder)


def test_unfinished_record_says_so(record, tmp_path):
    folder = copied(record, tmp_path)
    (folder / "summary.json").unlink()
    with pytest.raises(mnemo.UserError, match="unfinished"):
        mnemo.load(folder)
    with pytest.raises(mnemo.UserError, match="not the folder of a run"):
        mnemo.load(tmp_path)


def test_changed_versions_refuse_to_go_on(record, tmp_path):
    out = tmp_path / "runs"
    folder = shutil.copytree(record.path, out / record.path.name)
    (folder / "summary.json").unlink()
    told = json.loads((folder / "provenance.json").read_text())
    told["versions"]["jax"] = "0.9.0"
    (folder / "provenance.json").write_text(json.dumps(told))
    with pytest.raises(mnemo.UserError, match=r"jax 0\.9\.0"):
        mnemo.survey("himmelblau", starts=3000, out=out, recording=mnemo.Recording(block=1024))


def test_full_disk_loses_nothing(tmp_path, monkeypatch, record):
    """The disk fills up while the third block is written: one sentence, two blocks kept, and the run goes on."""
    written = []
    real = store.write_bytes

    def full(path, data):
        if path.parent.name == "starts" and len(written) == 2:
            raise store._said(path, OSError(28, "No space left on device"))
        if path.parent.name == "starts":
            written.append(path)
        real(path, data)

    monkeypatch.setattr(store, "write_bytes", full)
    with pytest.raises(mnemo.MnemoError, match="No space left"):
        mnemo.survey("himmelblau", starts=3000, out=tmp_path, devices=1, recording=mnemo.Recording(block=1024))
    assert len(written) == 2
    monkeypatch.setattr(store, "write_bytes", real)
    again = mnemo.survey("himmelblau", starts=3000, out=tmp_path, devices=1, recording=mnemo.Recording(block=1024))
    assert again.fingerprint == record.fingerprint


def test_notebook_table(record):
    text = record._repr_html_()
    assert text.count("<tr>") == 1 + len(record.catalogue.x)
    assert "minimum" in text
    assert "3,000 starts" in repr(record)


def test_a_full_catalogue_leaves_the_rest_uncatalogued(out):
    """The catalogue stops growing by start number, however the starts are cut into blocks."""
    records = [
        mnemo.survey(
            "rastrigin",
            starts=2000,
            out=out,
            devices=1,
            fresh=True,
            recording=mnemo.Recording(block=block, catalogue=40),
        )
        for block in (512, 2000)
    ]
    for record in records:
        assert record.summary["catalogue_size"] == 40
        assert record.summary["uncatalogued"] == 2000 - record.shares.count.sum() > 0
        assert record.summary["unseen"]["mass"] is None
    assert records[0].fingerprint == records[1].fingerprint


def test_a_run_without_catalogue_judges_nothing(out):
    """Ends and their losses are those of a run that judges; nothing is said of what they are."""
    keep = {"starts": 2000, "out": out, "devices": 1}
    whole = mnemo.survey("rastrigin", recording=mnemo.Recording(block=2000, catalogue=40, endpoints=True), **keep)
    bare = mnemo.survey("rastrigin", recording=mnemo.Recording(block=2000, catalogue=0, endpoints=True), **keep)
    columns = ("x", "loss", "outcome", "steps")
    assert bare.starts(*columns).select(columns).equals(whole.starts(*columns).select(columns))
    assert bare.starts("label")["label"].null_count == 2000
    assert bare.summary["catalogue_size"] == 0
    assert "not judged" in sentence(bare)
    assert bare.summary["unseen"]["reason"] == "record.catalogue is 0, so that no end was judged"
    assert {place["at"] for place in bare.summary["stalls"]["places"]} <= {"not judged"}
