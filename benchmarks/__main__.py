"""The command ``python -m benchmarks``."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    workloads: Annotated[str | None, typer.Option(help="Names with commas between, or none; all by default.")] = None,
    only: Annotated[str | None, typer.Option(help="Competitors with commas between; all by default.")] = None,
    rest: Annotated[
        str | None, typer.Option(help="What else is measured, or none; all unless --workloads or --only choose.")
    ] = None,
    sizes: Annotated[str | None, typer.Option(help="Numbers of starts, instead of the workloads' own.")] = None,
    rounds: Annotated[int, typer.Option(help="How often each is timed, in turns.", min=1)] = 5,
    budget: Annotated[float, typer.Option(help="Seconds one run may take; who needs more does a part.")] = 4.0,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, 3 rounds, a second a run.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Also the largest sizes.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu or gpu; what jax finds by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for JSON, Markdown and figure.")] = Path("runs/benchmarks"),
) -> None:
    """Measure the same descents by the engine and its competitors, in turn and repeated.

    The first competitor that works is the one the others' results are compared with.
    """
    start_jax(device)
    from benchmarks import machine, report, table
    from benchmarks.competitors import COMPETITORS
    from benchmarks.measure import measure
    from benchmarks.rest import MEASURES, Row
    from benchmarks.workloads import WORKLOADS

    rounds, budget = (min(rounds, 3), min(budget, 1.0)) if quick else (rounds, budget)
    chosen, competitors = choose(WORKLOADS, workloads), choose(COMPETITORS, only)
    others = choose(MEASURES, rest or ("none" if workloads or only else None))
    told, done, rows = machine.describe(), list[report.Done](), list[Row]()
    typer.echo(machine.sentence(told))
    for workload in chosen:
        for number in numbers(sizes) or workload.at(quick, full):
            entries = measure(workload, number, competitors, rounds=rounds, budget=budget, say=say)
            done.append(report.Done(workload, number, entries))
            table.show(table.engines(workload, number, entries))
            report.save(out, told, done, rows)
    for other in others:
        found = other.rows("quick" if quick else "full" if full else "normal", say)
        rows += found
        table.show(table.rest(found))
        report.save(out, told, done, rows)
    typer.echo(f"{out}/benchmarks.json, .md, .svg, .png")


def start_jax(device: str | None) -> None:
    """Set jax up as the command ``mnemo`` does, in float64."""
    if device is not None:
        os.environ["JAX_PLATFORMS"] = {"gpu": "cuda,cpu"}.get(device, device)
    import jax

    from mnemo_jax.cli import _start_jax

    _start_jax(None)
    jax.config.update("jax_enable_x64", True)


def choose(among: Iterable[Any], names: str | None) -> list[Any]:
    """Return those whose names are in the list, in its order; all without a list."""
    known = {one.name: one for one in among}
    if names is None:
        return list(known.values())
    wanted = [] if names == "none" else names.split(",")
    if unknown := sorted(set(wanted) - set(known)):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(known)}")
    return [known[name] for name in wanted]


def numbers(sizes: str | None) -> tuple[int, ...]:
    """Return the numbers in a list such as ``10_000,1e6``."""
    return tuple(int(float(size)) for size in sizes.split(",")) if sizes else ()


def say(sentence: str) -> None:
    """Tell what is going on, on stderr."""
    typer.echo(sentence, err=True)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
