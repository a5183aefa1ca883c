"""Data sets that need no download, and what is done to them before a network sees them."""

from mnemo_jax.data.items import Data, Items

__all__ = ["Data", "Items"]
