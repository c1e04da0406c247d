"""Python's collector of cyclic garbage, told to look less often in a process that is all ours."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 20_000  # between two looks; after Python's 700, what many open requests still need is looked through


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage less often, and never among what exists already: packs and databases, which stay.

    For the command line only, since it changes the whole process. It costs a few MB at most.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
