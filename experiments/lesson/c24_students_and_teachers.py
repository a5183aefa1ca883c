"""Which descents of a ReLU network that learns from another one end at the global minimum?

The loss of Safran & Shamir (2018) over all inputs is a closed form, so that there are no data and no noise, and its
global minimum is 0. Weights start with variance 1 / students, and the learning rate is 1 / students, as in the paper.
"""

from pathlib import Path

import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

GLOBAL = 1e-6  # below it a loss is that of the global minimum: the lowest other level known is 20,000 times higher
STEPS = 30_000
SLOW = 5_000  # with students to spare no end has a gradient of zero to the last digit, but all losses go to 0
NUDGE = 1e-2  # standard deviation of what starts around a spurious minimum are moved by


def measure(*, students: int, teachers: int, starts: int, seed: int, out: Path, beside: str = "") -> mnemo.Measurement:
    """Return which descents end at a minimum that is not global.

    Starts lie ``beside`` the "global" minimum, the first "spurious" one that was found, or, for "", anywhere.
    """
    if students > teachers:
        return spare(students, teachers, starts, seed, out)
    cloud = mnemo.Normal(count=starts, scale=students**-0.5)
    level, kind, points = ends(students, teachers, cloud, seed, out)
    if beside:
        wanted = (points.kind == mnemo.Kind.MINIMUM) & ((points.loss > GLOBAL) == (beside == "spurious"))
        cloud = mnemo.Normal(count=starts, mean=tuple(points.x[wanted][0].tolist()), scale=NUDGE)
        level, kind, _ = ends(students, teachers, cloud, seed, out)
    minimum = kind == mnemo.Kind.MINIMUM
    spurious = minimum & (level > GLOBAL)
    drawn = () if beside else (levels(students, level, minimum),)
    return mnemo.Measurement(value=spurious, valid=minimum, note=told(level[spurious]), illustrations=drawn)


def ends(
    students: int, teachers: int, starts: mnemo.Normal, seed: int, out: Path
) -> tuple[np.ndarray, np.ndarray, mnemo.Points]:
    """Return loss and kind of the point at which each start ended, no number and -1 for none, and all these points."""
    record = follow(students, teachers, starts, seed, out, steps=STEPS)
    label = record.starts("label")["label"].fill_null(-1).to_numpy()
    points = record.catalogue
    return np.append(points.loss, np.nan)[label], np.append(points.kind, -1)[label], points


def spare(students: int, teachers: int, starts: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return which descents do not go to loss 0: the minima are whole families of weights, and no Hessian is judged."""
    cloud, keep = mnemo.Normal(count=starts, scale=students**-0.5), mnemo.Recording(catalogue=0, endpoints=True)
    record = follow(students, teachers, cloud, seed, out, steps=SLOW, recording=keep)
    table = record.starts("loss", "outcome").to_pandas()
    level, still = table["loss"].to_numpy(), (table["outcome"] == "converged").to_numpy()
    spurious = still & (level > GLOBAL)
    return mnemo.Measurement(
        value=spurious,
        valid=still | (level <= GLOBAL),
        note=f"The highest loss after {SLOW:,} steps is {np.nanmax(level):.2g}. {told(level[spurious])}".strip(),
    )


def follow(
    students: int,
    teachers: int,
    starts: mnemo.Normal,
    seed: int,
    out: Path,
    *,
    steps: int,
    recording: mnemo.Recording | None = None,
) -> mnemo.Record:
    """Return the record of descents of at most so many steps."""
    return mnemo.survey(
        losses.build("relu_teacher", {"students": students, "teachers": teachers}),
        starts=starts,
        seed=seed,
        stop=mnemo.Stop(max_steps=steps),
        recording=recording,
        name=f"{students}-of-{teachers}",
        out=out,
    )


def told(spurious: np.ndarray) -> str:
    """Say at how many levels of the loss the spurious ends lie."""
    if not len(spurious):
        return ""
    level, count = np.unique(np.round(spurious, 6), return_counts=True)
    words = ", ".join(f"{one:.4g} ({number})" for one, number in zip(level[:4], count[:4], strict=True))
    return (
        f"{len(level)} level{'s' * (len(level) > 1)} of the loss above 0 (starts): {words}{', …' * (len(level) > 4)}."
    )


def levels(students: int, level: np.ndarray, minimum: np.ndarray) -> mnemo.Illustration:
    """Draw which share of the starts that reached a minimum ended at each level of the loss."""
    value, count = np.unique(np.round(np.where(level > GLOBAL, level, 0.0)[minimum], 6), return_counts=True)
    return mnemo.Illustration(
        title="Losses of the minima that descents reach",
        caption="Minima lie at a few levels of the loss; 0 is global. Each level holds many minima that differ in the "
        "order of students and teachers.",
        x="loss of the minimum",
        y="share of the starts that reached a minimum",
        log="y",
        series=(mnemo.Series(name=f"{students} students", x=value, y=count / count.sum(), kind="marks"),),
    )
