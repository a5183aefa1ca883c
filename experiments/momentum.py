"""Does momentum lead more descents to the global minimum?

The experiment of the claim in ``configs/claims/momentum.toml``, as an example of a claim of one's own::

    mnemo claims configs/claims
"""

from pathlib import Path
from typing import Any

import numpy as np

import mnemo_jax as mnemo
from mnemo_jax import losses

ENDS = mnemo.Recording(endpoints=True)


def measure(
    *, loss: str, learning_rate: float, starts: int, seed: int, out: Path, momentum: float = 0.9, **args: Any
) -> mnemo.Measurement:
    """Return whether each start ended in a global minimum, with momentum and without."""
    landscape = losses.build(loss, args)
    tables = [
        mnemo.survey(landscape, optimizer=optimizer, starts=starts, seed=seed, recording=ENDS, out=out)
        .starts("outcome", "loss")
        .to_pandas()
        for optimizer in (
            {"name": "sgd", "learning_rate": learning_rate, "momentum": momentum},
            {"name": "sgd", "learning_rate": learning_rate},
        )
    ]
    best = min(table["loss"].min() for table in tables)
    found = [((table["outcome"] == "converged") & (table["loss"] < best + 1e-6)).to_numpy() for table in tables]
    shares = [float(np.mean(own)) for own in found]
    bars = [
        mnemo.Series(name=name, x=[loss], y=[share], kind="bars")
        for name, share in zip((f"momentum {momentum:g}", "none"), shares, strict=True)
    ]
    shown = mnemo.Illustration(
        title="Starts that end in a global minimum",
        caption="Each landscape with and without momentum, the same starts in both.",
        x="landscape",
        y="share of starts",
        series=tuple(bars),
    )
    told = f"{100 * shares[0]:.1f} % with momentum, {100 * shares[1]:.1f} % without."
    return mnemo.Measurement(value=found[0], other=found[1], note=told, illustrations=(shown,) if momentum else ())
