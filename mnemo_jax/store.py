"""Files of a record: written whole or not at all, never rewritten, locked while a run writes.

Layout of a record's folder, schema 2 (1 had neither periods of cycles nor directions of stalls)::

    config.json          the resolved config; its hash is in the folder's name
    table.json           the config as it was given, for runs made from one
    provenance.json      versions, device, tile settings; written before the first block
    starts/000000.parquet    one row per start of a block; its presence says the block is done
    points/000000.parquet    the block's own distinct critical points
    stalls/000000.parquet    the block's stalls
    history/000000.parquet   what was measured at each look of descents on data
    journal.jsonl        seconds and lane-steps of each block, as they happened
    catalogue.parquet    the run's distinct critical points in canonical order
    labels.parquet       (block, point) -> label
    paths.npz            full paths of a few starts for the figures, and of the first ones when asked for
    summary.json         outcomes, shares, estimates, fingerprint; its presence says the run is done

A search has ``searches.parquet`` and ``pathways.parquet`` in place of starts, points, stalls, labels and paths.
"""

import contextlib
import errno
import fcntl
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mnemo_jax.errors import MnemoError, UserError

SCHEMA = 2
SORTED = "start"  # the column by whose smallest and largest value readers may leave out a file
MOSTLY_ZERO = ("stalls", "stalled")  # columns that compress best as they are


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all, also after a power failure.

    Raises:
        MnemoError: the folder cannot be written, or the disk is full.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise _said(path, error) from error


def sweep(folder: Path) -> None:
    """Remove what processes that were killed had begun to write aside; only for who holds the record's lock."""
    for aside in folder.rglob(".*.*"):
        if re.fullmatch(r"\..+\.\d+", aside.name):
            aside.unlink(missing_ok=True)


def _said(path: Path, error: OSError) -> MnemoError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        return UserError(f"{path.parent}: cannot be written ({error.strerror}); choose another folder with --out")
    return MnemoError(
        f"{path}: cannot be written ({error.strerror}); what is there already is whole, "
        "and the same command goes on from it"
    )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, NaN as null; numbers in a row are in one line."""
    write_bytes(path, (_lines(strict(value), "\n") + "\n").encode())


def _lines(value: Any, margin: str) -> str:
    """Return a plain value as JSON, an item of an object or of a list of objects a line."""
    inner = margin + " "
    if isinstance(value, dict) and value:
        items = (f"{json.dumps(key)}: {_lines(own, inner)}" for key, own in value.items())
        return "{" + inner + f",{inner}".join(items) + margin + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[" + inner + f",{inner}".join(_lines(own, inner) for own in value) + margin + "]"
    return json.dumps(value, allow_nan=False)


def strict(value: Any) -> Any:
    """Return the value with numpy scalars and arrays as plain ones and every non-finite number as None."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "bifu":
        there = np.isfinite(value)
        if there.all():
            return value.tolist()
        whole = value.astype(object)
        whole[~there] = None
        return whole.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return strict(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        UserError: there is no such file, or it does not hold JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; is {path.parent} the folder of a run?") from error
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def newer_schema(folder: Path) -> Any:
    """Return the schema of a record that a newer mnemo_jax wrote, None where this one reads it."""
    schema = read_json(folder / "provenance.json").get("schema", "unknown")
    return None if isinstance(schema, int) and schema <= SCHEMA else schema


def words_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return summary, config and provenance of a finished record.

    Raises:
        UserError: one is missing or damaged, or a newer mnemo_jax wrote the record.
    """
    if (schema := newer_schema(folder)) is not None:
        raise UserError(f"{folder}: has schema {schema}, and this mnemo_jax reads up to {SCHEMA}; update it")
    summary, config, provenance = (read_json(folder / f"{name}.json") for name in ("summary", "config", "provenance"))
    return summary, config, provenance


def table(columns: Mapping[str, np.ndarray | pa.Array], *, null: Collection[str] = ()) -> pa.Table:
    """Return a table in which none but the columns ``null`` may hold nulls: that halves the time of reading."""
    arrays = {name: column(own) if isinstance(own, np.ndarray) else own for name, own in columns.items()}
    fields = [pa.field(name, array.type, nullable=name in null) for name, array in arrays.items()]
    return pa.table(list(arrays.values()), schema=pa.schema(fields))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file; floating columns are split by byte, which compresses best."""
    sink = pa.BufferOutputStream()
    plain = {name: _encoding(field) for name, field in _leaves(table.schema)}
    words = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=words,
        column_encoding=plain,
        row_group_size=1 << 20,
        write_statistics=[name for name in table.column_names if name == SORTED],
        write_page_checksum=True,
    )
    write_bytes(path, sink.getvalue().to_pybytes())


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as one compressed .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.Field]]:
    for field in schema:
        if pa.types.is_fixed_size_list(field.type):
            yield f"{field.name}.list.element", field.type.value_field
        elif not pa.types.is_dictionary(field.type):
            yield field.name, field


def _encoding(field: pa.Field) -> str:
    if pa.types.is_floating(field.type):
        return "BYTE_STREAM_SPLIT"
    return "DELTA_BINARY_PACKED" if pa.types.is_integer(field.type) and field.name not in MOSTLY_ZERO else "PLAIN"


def read_table(path: Path, without: Collection[str] = ()) -> pa.Table:
    """Return a Parquet file's table, but for the columns ``without`` which it will do; their bytes are not checked.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read([name for name in file.schema_arrow.names if name not in without])
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with open(path, "rb") as raw, np.load(raw) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    state = "damaged" if path.exists() else "missing"
    reason = str(error).split("\n", 1)[0].split(". ", 1)[0]
    return UserError(f"{path}: is {state} ({reason}); run its config with --fresh for a new record")


def is_whole(path: Path) -> bool:
    """Whether a Parquet file is there and its footer can be read."""
    return rows(path) is not None


def rows(path: Path) -> int | None:
    """Return the number of rows of a Parquet file by its footer, None where that cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def column(values: np.ndarray, null: np.ndarray | None = None) -> pa.Array:
    """Return numbers ``[n]`` as an Arrow column with nulls where ``null [n]`` says so.

    `pa.array` would do, but it imports pandas where that is installed, which takes longer than a small run.
    """
    own = _bits(values) if values.dtype == bool else pa.py_buffer(np.ascontiguousarray(values))
    valid = None if null is None else _bits(~null)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [valid, own])


def _bits(flags: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def vectors(values: np.ndarray) -> pa.FixedSizeListArray:
    """Return ``[n, d]`` values as an Arrow column of lists of ``d``."""
    return pa.FixedSizeListArray.from_arrays(column(np.ascontiguousarray(values).ravel()), values.shape[1])


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return an Arrow column of lists of ``d`` numbers as ``[n, d]``."""
    return numbers(column.combine_chunks().flatten()).reshape(len(column), column.type.list_size)


def numbers(column: pa.Array | pa.ChunkedArray, null: float = np.nan) -> np.ndarray:
    """Return an Arrow column of numbers or flags as ``[n]``, with ``null`` for nulls: the way back from `column`.

    Arrow's own ``to_numpy`` and ``fill_null`` would import pandas.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    valid, own = whole.buffers()
    if pa.types.is_boolean(whole.type):
        told, null = _flags(own, whole), bool(null)
    else:
        told = np.from_dlpack(pa.Array.from_buffers(whole.type, len(whole), [None, own], offset=whole.offset))
    return np.where(_flags(valid, whole), told, null) if whole.null_count else told


def _flags(bits: pa.Buffer, column: pa.Array) -> np.ndarray:
    """Return a column's bits as flags ``[n]``: the way back from `_bits`."""
    begin, end = column.offset, column.offset + len(column)
    packed = np.frombuffer(bits, np.uint8)[begin // 8 : -(-end // 8)]
    flags = np.unpackbits(packed, bitorder="little")[begin % 8 :][: len(column)]
    return flags.view(bool)


def nullable(numbers: np.ndarray) -> pa.Array:
    """Return integers as an Arrow column in which negative ones are null."""
    return column(numbers, null=numbers < 0)


def words(codes: np.ndarray, names: list[str]) -> pa.DictionaryArray:
    """Return codes as an Arrow column of the names they stand for."""
    letters = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, letters)]).astype(np.int32)
    dictionary = pa.StringArray.from_buffers(len(names), pa.py_buffer(ends), pa.py_buffer(b"".join(letters)))
    return pa.DictionaryArray.from_arrays(column(codes.astype(np.int8)), dictionary)


def codes(column: pa.ChunkedArray, names: list[str]) -> np.ndarray:
    """Return an Arrow column of names as the codes they stand for, int32: the way back from `words`."""
    parts = []
    for part in column.chunks:
        part = part.dictionary_encode()
        code = np.array([names.index(word) for word in part.dictionary.to_pylist()], np.int32)
        parts.append(code[numbers(part.indices)] if len(code) else np.empty(0, np.int32))
    return np.concatenate([np.empty(0, np.int32), *parts])


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the record's lock; the operating system lets go of it when the process ends, however it ends.

    Raises:
        UserError: another process is writing this record, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")  # noqa: SIM115 - held open for as long as the lock
    except OSError as error:
        raise _said(folder / ".lock", error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"{folder}: another process is writing this record; wait for it or use --fresh") from error
        yield
