"""A table of a page, which its reader sorts by any column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from markupsafe import Markup


class Column(NamedTuple):
    """A column: its heading, how its cells stand, and what the heading means where that needs to be said.

    Cells of a ``wide`` column are sentences, which are broken into lines.
    """

    name: str
    align: Literal["left", "right"] = "right"
    meaning: str = ""
    wide: bool = False


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: what it says.
        key: what it is sorted by and exported as; the text when None.
        link: an id in this page that it leads to, without ``#``.
        colour: of a swatch before the text, such as ``var(--hue-0)``.
        tone: how it is to be taken: ``good``, ``bad``, ``doubt`` or nothing.
        drawing: markup of this package's own making that stands in place of the text, which then says what it shows.
    """

    text: str
    key: float | str | None = None
    link: str = ""
    colour: str = ""
    tone: Literal["", "good", "bad", "doubt"] = ""
    drawing: Markup | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a caption.

    Attributes:
        name: its id in the page and in the name of its file.
        caption: what it is.
        columns: its columns, from left to right; the first names the rows.
        rows: its cells, row by row; a bare text or number stands for a cell.
        note: what else a reader must know.
        sort: column by which it is sorted as it comes, and whether ``ascending`` or ``descending``.
        whole: whether it is shown at its full height.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    sort: tuple[int, Literal["ascending", "descending"]] | None = None
    whole: bool = False

    def order(self, column: int) -> str:
        """Return how a column is sorted as it comes, in the words of ``aria-sort``."""
        return self.sort[1] if self.sort is not None and self.sort[0] == column else "none"
