"""How many descents end in a local minimum that is not the global one, as the quartic is tilted?

``x^4 - 4 x^2 + 1 + t x`` has two minima for ``t`` below 4.355, with a maximum between them at the middle root of
``4 x^3 - 8 x + t``. With small steps a start of [-3, 3] ends in the worse one, the right one, exactly if it lies to the
right of that maximum.
"""

from pathlib import Path

import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

HALF, RATE = 3.0, 0.01
LAST = (8 / 3) * np.sqrt(8 / 3)  # the tilt at which the right minimum meets the maximum


def measure(*, tilt: float, starts: int, seed: int, out: Path) -> mnemo.Measurement:
    """Return which descents end at a minimum above the lowest."""
    record = mnemo.survey(
        losses.build("double_well", {"tilt": tilt}),
        learning_rate=RATE,
        starts=starts,
        seed=seed,
        name=f"tilt-{tilt:g}",
        out=out,
    )
    points, label = record.catalogue, record.starts("label")["label"].fill_null(-1).to_numpy()
    minima = points.kind == mnemo.Kind.MINIMUM
    lowest = points.loss[minima].min()
    worse = np.append(minima & (points.loss > lowest + 1e-9 * abs(lowest)), False)[label]
    told = ", ".join(f"{loss:.4g} at {x:.4g}" for x, loss in zip(points.x[minima, 0], points.loss[minima], strict=True))
    share, exact = float(np.mean(worse)), float(share_in_worse(np.array([tilt]))[0])
    return mnemo.Measurement(
        value=worse,
        valid=label >= 0,
        note=f"Minima: {told}. {share:.2%} of the descents end above the lowest; {exact:.2%} by the closed form.",
        illustrations=(shares(tilt, share), curves(tilt)),
    )


def share_in_worse(tilt: np.ndarray) -> np.ndarray:
    """Return the share of uniform starts to the right of the maximum, where there is a minimum worse than the other."""
    middle = [np.sort(np.roots([4.0, 0.0, -8.0, t]).real)[1] for t in tilt]
    return np.where((tilt > 0) & (tilt < LAST), (HALF - np.array(middle)) / (2 * HALF), 0.0)


def shares(tilt: float, share: float) -> mnemo.Illustration:
    """Draw the share measured over the closed form."""
    series = [mnemo.Series(name=f"measured at tilt {tilt:g}", x=[tilt], y=[share], kind="marks")]
    if not tilt:
        grid = np.linspace(0.0, 5.2, 400)
        series.insert(0, mnemo.Series(name="closed form", x=grid, y=share_in_worse(grid), kind="law"))
    return mnemo.Illustration(
        title="Starts that end above the lowest minimum",
        caption="Without tilt both minima are lowest; beyond a tilt of 4.355 there is but one.",
        x="tilt",
        y="share of all starts",
        series=tuple(series),
    )


def curves(tilt: float) -> mnemo.Illustration:
    """Draw the loss."""
    x = np.linspace(-2.4, 2.4, 200)
    return mnemo.Illustration(
        title="The tilted quartic",
        caption="The right minimum rises with the tilt until it meets the maximum and both are gone.",
        x="x",
        y="loss",
        series=(mnemo.Series(name=f"tilt {tilt:g}", x=x, y=x**4 - 4 * x**2 + 1 + tilt * x),),
    )
