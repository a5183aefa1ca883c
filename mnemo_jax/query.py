"""SQL over records: DuckDB reads their files in place."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from mnemo_jax import store
from mnemo_jax.errors import UserError
from mnemo_jax.found import CriticalPoints, opened
from mnemo_jax.newest import RUNS
from mnemo_jax.record import Record

VIEWS = {
    "starts": """
        SELECT '{run}' AS run, s.* EXCLUDE (point, filename),
               CASE WHEN s.outcome IN ('converged', 'finished') THEN l.label END AS label,
               CASE WHEN s.outcome NOT IN ('converged', 'finished') THEN l.label END AS near
        FROM (SELECT *, {block} AS block FROM read_parquet('{folder}/starts/*.parquet', filename = true)) s
        LEFT JOIN read_parquet('{folder}/labels.parquet') l ON l.block = s.block AND l.point = s.point
    """,
    "stalls": """
        SELECT '{run}' AS run, s.* EXCLUDE (point, filename, block), l.label
        FROM (SELECT *, {block} AS block FROM read_parquet('{folder}/stalls/*.parquet', filename = true)) s
        LEFT JOIN read_parquet('{folder}/labels.parquet') l ON l.block = s.block AND l.point = s.point
    """,
    "catalogue": """
        SELECT '{run}' AS run, file_row_number AS label, * EXCLUDE (file_row_number, count)
        FROM read_parquet('{folder}/catalogue.parquet', file_row_number = true)
    """,
    "history": "SELECT '{run}' AS run, * FROM read_parquet('{folder}/history/*.parquet')",
    "searches": "SELECT '{run}' AS run, * FROM read_parquet('{folder}/searches.parquet')",
    "pathways": "SELECT '{run}' AS run, * FROM read_parquet('{folder}/pathways.parquet')",
}
OF_RUNS, OF_SEARCHES = ("starts", "stalls", "catalogue"), ("searches", "pathways", "catalogue")
MISTAKES = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)  # of whoever wrote the query
BLOCK = "CAST(regexp_extract(filename, '([0-9]+)[.]parquet$', 1) AS INTEGER)"


def ask(sql: str, runs: Sequence[Path] | None = None, folder: Path = RUNS) -> pa.Table:
    """Return the answer to ``sql`` as an Arrow table.

    The views are ``starts``, ``stalls`` and ``catalogue`` of runs, ``history`` of those on data, and ``searches``,
    ``pathways`` and ``catalogue`` of searches.

    Args:
        sql: one statement; a column ``run`` tells records apart.
        runs: folders of runs and searches; all finished ones in ``folder`` when None or empty.
        folder: where to look for runs.

    Raises:
        UserError: there is no run, a file of one is damaged, or DuckDB does not understand the statement.
    """
    found = list(runs) if runs else sorted(path.parent for path in folder.glob("*/summary.json"))
    if not found:
        raise UserError(f"there is no finished run in {folder}; name one")
    records = [opened(run) for run in found]
    with duckdb.connect() as connection:
        try:
            for view in VIEWS:
                if parts := [_view(view, record.path) for record in records if view in _views(record)]:
                    connection.execute(f"CREATE VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")
            answer = connection.sql(sql)
            return pa.table({}) if answer is None else answer.to_arrow_table()
        except duckdb.Error as error:
            if not isinstance(error, MISTAKES):
                _read_all([record.path for record in records])
            there = sorted({view for record in records for view in _views(record)})
            hint = f" (views here: {', '.join(there)})" if isinstance(error, duckdb.CatalogException) else ""
            raise UserError(f"the query failed: {str(error).splitlines()[0]}{hint}") from error


def _read_all(paths: Sequence[Path]) -> None:
    """Read every file of the records, so that a damaged one is named; DuckDB does not always say which it is."""
    for file in (file for path in paths for file in sorted(path.rglob("*.parquet"))):
        store.read_table(file)


def _views(record: Record | CriticalPoints) -> tuple[str, ...]:
    if not isinstance(record, Record):
        return OF_SEARCHES
    return (*OF_RUNS, "history") if (record.path / "history").is_dir() else OF_RUNS


def _view(view: str, path: Path) -> str:
    def quoted(word: str) -> str:
        return word.replace("'", "''")

    return VIEWS[view].format(run=quoted(path.name), folder=quoted(str(path)), block=BLOCK)
