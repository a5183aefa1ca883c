"""The inverse of the error function, of which normal random numbers are made.

The polynomials are Giles's (Approximating the erfinv function, GPU Computing Gems 2, 2011), as XLA's are. In a loop
over a few kilobytes of float64 it takes a third of the time of XLA's, whose logarithm is a call.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from mnemo_jax.elementary.common import but_for
from mnemo_jax.elementary.logs import log1p

# fmt: off
MIDDLE = (
    -3.6444120640178196996e-21, -1.685059138182016589e-19, 1.2858480715256400167e-18, 1.115787767802518096e-17,
    -1.333171662854620906e-16, 2.0972767875968561637e-17, 6.6376381343583238325e-15, -4.0545662729752068639e-14,
    -8.1519341976054721522e-14, 2.6335093153082322977e-12, -1.2975133253453532498e-11, -5.4154120542946279317e-11,
    1.051212273321532285e-09, -4.1126339803469836976e-09, -2.9070369957882005086e-08, 4.2347877827932403518e-07,
    -1.3654692000834678645e-06, -1.3882523362786468719e-05, 0.0001867342080340571352, -0.00074070253416626697512,
    -0.0060336708714301490533, 0.24015818242558961693, 1.6536545626831027356,
)
OUTER = (
    0.0, 0.0, 0.0, 0.0,
    2.2137376921775787049e-09, 9.0756561938885390979e-08, -2.7517406297064545428e-07, 1.8239629214389227755e-08,
    1.5027403968909827627e-06, -4.013867526981545969e-06, 2.9234449089955446044e-06, 1.2475304481671778723e-05,
    -4.7318229009055733981e-05, 6.8284851459573175448e-05, 2.4031110387097893999e-05, -0.0003550375203628474796,
    0.00095328937973738049703, -0.0016882755560235047313, 0.0024914420961078508066, -0.0037512085075692412107,
    0.005370914553590063617, 1.0052589676941592334, 3.0838856104922207635,
)
# fmt: on
NEAR, FAR = 6.25, 16.0  # of -log(1 - x^2): beyond the second, one number of ten million, XLA's own serves


def erf_inv(x: Array) -> Array:
    """Return the inverse of the error function; XLA's within 6e-8 of 1 and -1 or beyond, and in float32."""
    if x.dtype != jnp.float64:
        return lax.erf_inv(x)
    w = -log1p(-x * x)
    near = w < NEAR
    z = jnp.where(near, w - 3.125, jnp.sqrt(w) - 3.25)
    value = jnp.where(near, MIDDLE[0], OUTER[0])
    for middle, outer in zip(MIDDLE[1:], OUTER[1:], strict=True):
        value = value * z + jnp.where(near, middle, outer)
    return but_for(w >= FAR, lax.erf_inv, value * x, x)


INSTEAD: dict[str, Callable[..., Array]] = {"erf_inv": erf_inv}
"""What is computed in native functions in place of XLA's primitive."""
