"""The page of a run: everything that its record says, in one file."""

import json
from typing import Any

import numpy as np

from mnemo_jax.dwells import Dwells, analyse_stalls
from mnemo_jax.errors import MnemoError
from mnemo_jax.figures.style import Results
from mnemo_jax.finish import DURATIONS
from mnemo_jax.record import Record
from mnemo_jax.report import (
    basins,
    catalogue,
    ends,
    landscape,
    networks,
    projection,
    shares,
    stalls,
    steps,
    training,
    verdict,
)
from mnemo_jax.report.chart import Chart
from mnemo_jax.report.page import render
from mnemo_jax.stall_report import notes as stall_notes
from mnemo_jax.terminal import notes, seconds


def run_page(record: Record) -> str:
    """Return the page of a run; equal records give equal pages."""
    told = analyse_stalls(record, DURATIONS)
    maps, trouble = _maps(record)
    return render(
        "run.html.j2",
        name=record.summary["name"],
        verdict=verdict.verdict(record),
        facts=verdict.facts(record),
        notes=notes(record),
        maps=maps,
        trouble=trouble,
        judged=verdict.judged(record),
        training=training.training(record),
        ends=some(ends.final_losses(record), ends.generalisation(record)),
        measures=training.measures(record),
        levels=ends.levels(record),
        networks=networks.networks(record),
        shares=some(shares.shares(record), shares.levels(record)),
        catalogue=catalogue.catalogue(record),
        outcomes=catalogue.outcomes(record.outcomes, record.summary["starts"], "starts"),
        steps=some(steps.steps(record)),
        stalls=some(stalls.stalls(record, told)),
        places=stalls.places(record, told),
        stall_notes=_notes(record, told),
        config=json.dumps(record.config, indent=2, ensure_ascii=False),
        provenance=provenance(record) | _lanes(record),
    )


def _maps(record: Record) -> tuple[list[Chart], str]:
    """Return the charts of the landscape, and what kept one from being drawn."""
    made, trouble = [], []
    for draw in (landscape.landscape, basins.basins, projection.points, projection.ends):
        try:
            made.append(draw(record))
        except MnemoError as error:  # such as a picture that is not there any more
            trouble.append(f"A chart of the landscape is missing here: {error}.")
    return some(*made), " ".join(dict.fromkeys(trouble))


def some(*charts: Chart | None) -> list[Chart]:
    """Return the charts that there are."""
    return [chart for chart in charts if chart is not None]


def _notes(record: Record, told: Dwells) -> list[str]:
    return stall_notes(record, told) if told.overall.stalls else []


def provenance(record: Results) -> dict[str, str]:
    """Return by whom, with what and when a record was made, in words."""
    told = record.provenance
    finished = f"{record.finished:%Y-%m-%d %H:%M} UTC" if record.finished else "at a time not noted"
    return {
        "Record": record.path.resolve().name,
        "Fingerprint": record.fingerprint,
        "Finished": finished,
        "Device": f"{told['device']}, {told['precision']}, {told['machine']}",
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(told["versions"].items()))
        + f", Python {told['python']}",
        "Revision": str(told.get("git") or "not known"),
        "Seed": str(record.config["seed"]),
        "Time": seconds(record.seconds()),
    }


def _lanes(record: Record) -> dict[str, Any]:
    lanes = record.lane_steps()
    share = np.divide(lanes["useful"], lanes["total"]) if lanes["total"] else np.nan
    return {"Lane-steps": f"{lanes['useful']:,} useful, lane efficiency {share:.3f}"} if lanes["total"] else {}
