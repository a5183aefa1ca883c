"""Wall-clock seconds by stage, with what jax spends on tracing and compiling told apart."""

import time

import jax.monitoring

COMPILE = "compile"
_compiling = [0.0]


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event.startswith("/jax/core/compile/"):
        _compiling[0] += duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)


class Clock:
    """Adds up seconds by stage; compiling inside a stage counts as compiling, not as the stage."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = dict(seconds)
        self.before = sum(seconds.values())
        self.begun = self.last = time.perf_counter()
        self.compiled = _compiling[0]

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for ``stage``."""
        now, compiled = time.perf_counter(), _compiling[0]
        spent, compiling = now - self.last, compiled - self.compiled
        self.seconds[stage] = self.seconds.get(stage, 0.0) + max(spent - compiling, 0.0)
        self.seconds[COMPILE] = self.seconds.get(COMPILE, 0.0) + min(compiling, spent)
        self.last, self.compiled = now, compiled

    def taken(self) -> dict[str, float]:
        """Return the seconds by stage and in ``total`` since they were last taken, to be added up by who takes them."""
        now = time.perf_counter()
        seconds = self.seconds | {"total": self.before + now - self.begun}
        self.seconds, self.before, self.begun = {}, 0.0, now
        return seconds
