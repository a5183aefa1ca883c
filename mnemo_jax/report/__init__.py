"""Pages to publish: one self-contained HTML file, made from a record on disk alone."""

from pathlib import Path

from mnemo_jax.errors import UserError
from mnemo_jax.escapes import is_escape
from mnemo_jax.found import CriticalPoints, opened
from mnemo_jax.record import Record


def report(run: Path | Record | CriticalPoints, out: Path | None = None) -> Path:
    """Write the page of a finished run or search and return its file.

    Args:
        run: the record, or its folder.
        out: the file; ``report.html`` in the record's folder when None.

    Raises:
        UserError: there is no such record, it is unfinished, or its kind has no page.
    """
    from mnemo_jax.report.page import write
    from mnemo_jax.report.run import run_page
    from mnemo_jax.report.search import search_page

    record = opened(run) if isinstance(run, Path) else run
    if isinstance(record, Record) and is_escape(record):
        raise UserError(f"{record.path}: is the record of an escape experiment, which mnemo figures draws")
    path = record.path / "report.html" if out is None else out
    write(path, run_page(record) if isinstance(record, Record) else search_page(record))
    return path
