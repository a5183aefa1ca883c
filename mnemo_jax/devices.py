"""Several devices side by side: one thread each, every one with the same program for a single device.

A program partitioned over devices (``shard_map``) is optimised by other passes than one for a single device, which
can change last bits; and one thread that sends work to several CPU devices runs them one after the other.

CPU devices share one pool of threads. Programs that wait in it for parallel parts of their own, as LAPACK's do in
jaxlib 0.10, can wait for each other for ever (seen with ``eigh`` inside a loop, two devices and a pool of two), and so
can programs that jax runs in the pool itself. So several CPU devices work side by side only on programs without linear
algebra and where programs run in the thread that calls them (``jax_cpu_enable_async_dispatch`` off, as the command
sets it); elsewhere they take turns. The numbers are the same. One program with linear algebra, in the thread that asks
for it, may run beside those without.

LAPACK itself gets one thread: from some 80 coordinates on OpenBLAS would spread an eigenvalue problem of a millisecond
over all cores, and a polish takes twenty times as long where others want these too.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import jax
import scipy.linalg  # noqa: F401 - jaxlib's LAPACK is the one that comes with it
from threadpoolctl import threadpool_limits

from mnemo_jax.errors import UserError


class Devices:
    """This process's devices, or the first ``number`` of them, each with a thread of its own.

    ``linear_algebra`` says that the programs sent to all of them call LAPACK on a CPU; ``apart``, that they work at the
    same time, and beside the thread that sends them work.

    Raises:
        UserError: there are not that many.
    """

    def __init__(self, number: int | None = None, *, linear_algebra: bool = False) -> None:
        found = jax.local_devices()
        if number is not None and (not isinstance(number, int) or not 1 <= number <= len(found)):
            raise UserError(f"--devices {number}: this process has {len(found)} {found[0].platform} device(s)")
        self.devices = found[:number]
        self.apart = self.platform != "cpu" or not (linear_algebra or jax.config.read("jax_cpu_enable_async_dispatch"))
        threads = len(self.devices) if self.apart else 1
        self.threads = [ThreadPoolExecutor(1, thread_name_prefix=f"mnemo-device-{k}") for k in range(threads)]

    def __len__(self) -> int:
        return len(self.devices)

    def __enter__(self) -> Self:
        self.limits = threadpool_limits(1, user_api="blas")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for thread in self.threads:  # all of them before one is waited for
            thread.shutdown(wait=False, cancel_futures=True)
        if kind is None or issubclass(kind, Exception):  # not where the user is waiting
            for thread in self.threads:
                thread.shutdown()
        self.limits.restore_original_limits()

    @property
    def platform(self) -> str:
        """What kind of devices they are: cpu, gpu or tpu."""
        return str(self.devices[0].platform)

    def each(self, work: Callable[[int, jax.Device], Any], parts: Sequence[int] | None = None) -> list[Future[Any]]:
        """Start ``work(part, device)`` for one device per part, number ``part`` of all; returns at once.

        A device does what it is given in turn. ``work`` puts what its programs are given on the device; under
        `jax.default_device` they would be traced and lowered anew for each.
        """
        asked = range(len(self)) if parts is None else parts
        return [self.threads[part % len(self.threads)].submit(self._on, part, work) for part in asked]

    def _on(self, part: int, work: Callable[[int, jax.Device], Any]) -> Any:
        with jax.enable_x64(True):
            return work(part, self.devices[part])
