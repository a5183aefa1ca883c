"""What `mnemo networks` found of a run, where it has written it beside the record."""

import base64
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mnemo_jax import store
from mnemo_jax.figures import networks as drawings
from mnemo_jax.figures import style
from mnemo_jax.record import Record
from mnemo_jax.report.table import Cell, Column, Table
from mnemo_jax.run_networks import FILE
from mnemo_jax.tables import tidy
from mnemo_jax.terminal_networks import DUST, WAYS, notes, sentence

TITLES = {
    "barriers": "The loss on the ways between ends",
    "slice": "The loss around an end",
    "principal": "The loss on the plane of a path",
    "sharpness": "Sharpness along training",
    "density": "Spectrum of the Hessian",
}


class Picture(NamedTuple):
    """A figure as it is drawn for papers: its id, its title, what it shows, and the image as an address of data."""

    name: str
    title: str
    alt: str
    data: str


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What a page says of trained networks: one sentence, tables, figures, and what else a reader must know."""

    sentence: str
    tables: list[Table]
    pictures: list[Picture]
    notes: list[str]


def networks(record: Record) -> Networks | None:
    """Return what was found of the networks of a run; None where nobody has looked."""
    path = record.path / FILE
    if not path.exists():
        return None
    told = store.read_json(path)
    return Networks(
        sentence=f"{sentence(told)}.",
        tables=[table for table in (_curvature(told), _barriers(told)) if table is not None],
        pictures=_pictures(record),
        notes=notes(told),
    )


def _pictures(record: Record) -> list[Picture]:
    """Return the figures that there are; they are images, as redrawing five kinds of them for a page gains little."""
    made = []
    for name, figure_of in drawings.FIGURES.items():
        figure = figure_of(record)
        if figure is not None:
            data = base64.b64encode(style.drawn(figure, ".svg")).decode()
            alt = f"{figure.get_suptitle()}. {figure.get_supxlabel()}".replace("\n", " ")
            made.append(Picture(f"networks-{name}", TITLES[name], alt, f"data:image/svg+xml;base64,{data}"))
    return made


def _curvature(told: dict[str, Any]) -> Table | None:
    """Return loss, extreme eigenvalues and kind of the ends whose curvature was computed."""
    ends = told["curvature"]["ends"]
    columns = [
        Column("start"),
        Column("loss"),
        Column("largest eigenvalue"),
        Column("smallest eigenvalue"),
        Column("negative", meaning="eigenvalues of the Hessian below 0, at least so many"),
        Column("kind", "left", "of a critical point near the end; undecided where the gradient leaves signs open"),
    ]
    rows = [
        [
            Cell(f"{end['start']:,}", end["start"]),
            _number(end["loss"]),
            *(_number(tidy(end[key], end["zero"])) for key in ("highest", "lowest")),
            Cell(f"{'' if end['decided'] else '≥ '}{end['negative']:,}", end["negative"]),
            Cell(end["word"]),
        ]
        for end in ends
    ]
    return Table(name="curvature", caption="Curvature of ends", columns=columns, rows=rows) if ends else None


def _barriers(told: dict[str, Any]) -> Table | None:
    """Return the barriers of the loss trained on, by the way between two ends."""
    found = told["barriers"]
    if not found:
        return None
    number, rows = len(found["pairs"]), []
    none = DUST * np.max(found["losses"]["loss"]["straight"]["loss"])
    for way, part in found["losses"]["loss"].items():
        height = np.array(part["height"], float)
        height[height < none] = 0.0
        rows.append([Cell(WAYS[way]), *(_number(float(of(height))) for of in (np.median, np.min, np.max))])
    return Table(
        name="barriers-between",
        caption=f"Barriers of the training loss between {'1 pair' if number == 1 else f'{number:,} pairs'} of ends",
        columns=[Column("way", "left"), Column("median"), Column("lowest"), Column("highest")],
        rows=rows,
    )


def _number(value: float) -> Cell:
    return Cell(f"{value:.4g}".replace("-", "−"), value)
