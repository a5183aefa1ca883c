"""Every test process sees four CPU devices, compiles into one cache, and lets no warning pass."""

import tempfile
from pathlib import Path

import jax
import pytest

from mnemo_jax import store
from mnemo_jax.descent import COMPILED

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_cpu_enable_async_dispatch", False)  # as the command does
# Programs compiled by one test serve the others, also those that run the command in a process of its own.
jax.config.update("jax_compilation_cache_dir", str(Path(tempfile.gettempdir()) / "mnemo-jax-tests"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(autouse=True, scope="module")
def _programs_of_a_module():
    """Let go of a module's compiled programs: thousands of them in one process exceed its number of memory maps."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def no_fsync():
    """For modules none of whose records outlives the process, so that files need not reach the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.os, "fsync", lambda handle: None)
        yield


@pytest.fixture
def programs():
    """Return a function that counts the descents' programs compiled so far."""
    return lambda: sum(program._cache_size() for program in COMPILED.values())
