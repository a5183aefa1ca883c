"""Data sets that need no download, and what is done to them before a network sees them."""

from mnemo_jax.data.dataset import SOURCES, DataSet, make, names
from mnemo_jax.data.items import Data, Items, Pool, arrays

__all__ = ["SOURCES", "Data", "DataSet", "Items", "Pool", "arrays", "make", "names"]
