"""Which record a path stands for: the folder itself, or the newest of those whose names it begins."""

import re
from pathlib import Path

from mnemo_jax import journal

RUNS = Path("runs")  # where records are written and looked for unless told otherwise
SEVERAL = {"sweep.json": "sweep", "compare.json": "comparison"}
"""What folders of several runs are, by the file that has the table of all."""
VERDICTS = "verdicts.json"  # of a folder of claims


def candidates(path: Path) -> list[Path]:
    """Return the folders ``PATH-HASH`` that ``path`` may stand for where it does not exist, the newest first.

    A mere name is looked for in `RUNS` too.
    """
    name = re.compile(rf"{re.escape(path.name)}-[0-9a-f]{{8}}(-[0-9]+)?")
    found: list[Path] = []
    for folder in (path.parent, RUNS) if path.parent == Path() else (path.parent,):
        found = found or [one for one in folder.glob("*") if one.is_dir() and name.fullmatch(one.name)]
    return sorted(found, key=written, reverse=True)


def written(folder: Path) -> float:
    """Return when a record was last written to, in seconds since 1970; figures and pages of it do not count."""
    files = [folder / name for name in (journal.NAME, *SEVERAL, VERDICTS)]
    return next((file for file in files if file.exists()), folder).stat().st_mtime


def unfinished(folder: Path) -> str | None:
    """Return the file that a folder of several runs has yet to receive, by the folder's name; None for others."""
    own = [name for name in SEVERAL if f"-{Path(name).stem}-" in folder.name]
    return own[0] if own and any(folder.glob("*/provenance.json")) else None
