"""The descent engine: a fixed number of lanes, refilled on the device, until a block of starts is done.

A block of starts lies in a queue. Every lane follows one start; all lanes run in lock step for ``tile.steps`` steps,
and once enough of them have stopped those write their results out and take the next starts of the queue. Nothing
crosses lanes, so the numbers of a start depend on the tile's shape alone, not on the block, the queue's order, the
number of devices or the company it kept.

What a step does is what a loop written by hand for one loss would do: gradient, stop rule, update. XLA on a CPU makes a
loop of its own of every array that a step returns, and computes in each what it needs from scratch; so a step returns
little, what several need is computed once (`native.once`), and the rest is found out once a word of steps (see
`stretch`).

Where a look at the full gradient is dear beside an update, as with batches of data, only every so many updates are
looked at (`Watch.every`); steps are counted in looks here then.

``program``: what is computed at a point. ``lane``: a start on its way. ``step``: one look and one update. ``word``:
many looks, and what they say. ``rows``: what is written of ends and stalls. ``serving``: lanes that have stopped take
new starts. ``block``: a block of starts on one device. ``paths``: a few starts with every point on their way.
"""

from mnemo_jax.descent.block import COMPILED, descend, is_native
from mnemo_jax.descent.paths import follow
from mnemo_jax.descent.program import MakesOptimizer, Rules
from mnemo_jax.descent.rows import STORED, Ends, Logs, StallLog
from mnemo_jax.descent.step import first_step

__all__ = [
    "COMPILED",
    "STORED",
    "Ends",
    "Logs",
    "MakesOptimizer",
    "Rules",
    "StallLog",
    "descend",
    "first_step",
    "follow",
    "is_native",
]
