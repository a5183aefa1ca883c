"""The page of a search: every critical point that it found, and what may be missing, in one file."""

import json

from mnemo_jax.errors import MnemoError
from mnemo_jax.found import CriticalPoints
from mnemo_jax.report import catalogue, pathways, points, projection
from mnemo_jax.report.chart import Chart
from mnemo_jax.report.page import render
from mnemo_jax.report.run import provenance, some
from mnemo_jax.report.verdict import Fact
from mnemo_jax.terminal_search import notes, sentence


def search_page(found: CriticalPoints) -> str:
    """Return the page of a search; equal records give equal pages."""
    maps, trouble = _maps(found)
    return render(
        "search.html.j2",
        name=found.summary["name"],
        verdict=f"{sentence(found).removeprefix(found.summary['name'] + ': ')}. {found.audit['message']}",
        facts=facts(found),
        notes=[line for line in notes(found) if not line.startswith("Audit: ")],
        maps=maps,
        trouble=trouble,
        index=some(points.index(found)),
        barriers=some(pathways.pathways(found)),
        pathways=pathways.table(found),
        catalogue=points.table(found),
        outcomes=catalogue.outcomes(found.summary["outcomes"], found.summary["searches"], "searches"),
        config=json.dumps(found.config, indent=2, ensure_ascii=False),
        provenance=provenance(found),
    )


def facts(found: CriticalPoints) -> list[Fact]:
    """Return the numbers that stand at the top of the page."""
    told = [Fact("searches", f"{found.summary['searches']:,}")]
    told += [Fact(f"{name} in the box", f"{number:,}") for name, number in points.counts(found).items()]
    audit = found.audit
    known = audit.get("sum") is not None and audit.get("expected") is not None
    beside = f"indices add up to {audit['sum']}, expected {audit['expected']}" if known else ""
    return [*told, Fact("audit", str(audit["verdict"]), beside)]


def _maps(found: CriticalPoints) -> tuple[list[Chart], str]:
    """Return the charts of the landscape, and what kept it from being drawn."""
    try:
        return some(points.points(found), projection.points(found)), ""
    except MnemoError as error:
        return [], f"The chart of the landscape is missing here: {error}."
