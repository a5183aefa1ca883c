"""Every test process sees four CPU devices, compiles into one cache, and lets no warning pass."""

import tempfile
from pathlib import Path

import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_cpu_enable_async_dispatch", False)  # as the command does
# Programs compiled by one test serve the others, also those that run the command in a process of its own.
jax.config.update("jax_compilation_cache_dir", str(Path(tempfile.gettempdir()) / "mnemo-jax-tests"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
