"""The learning rate at which a minimum loses its stability."""

from mnemo_jax.optimizers import Optimizer, Transformation


def critical_rate(optimizer: Optimizer | Transformation, curvature: float) -> float | None:
    """Return the learning rate beyond which a minimum repels, None for optimizers without a simple law.

    On a quadratic of curvature ``lambda`` gradient descent with momentum ``beta`` contracts below
    ``2 (1 + beta) / lambda`` (Polyak 1964), with Nesterov's form below ``2 (1 + beta) / ((1 + 2 beta) lambda)``.

    Args:
        optimizer: the optimizer.
        curvature: the largest eigenvalue of the Hessian at the minimum.
    """
    if not isinstance(optimizer, Optimizer) or optimizer.name != "sgd" or not curvature > 0:
        return None
    args = dict(optimizer.args)
    beta = float(args.get("momentum") or 0.0)  # type: ignore[arg-type]
    return 2 * (1 + beta) / (curvature * (1 + 2 * beta if args.get("nesterov") else 1))
