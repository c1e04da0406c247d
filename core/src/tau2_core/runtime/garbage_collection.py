"""When Python collects garbage: rarely in our own processes, and never while permanent data is loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 20_000  # between collections; Python's 700 would keep scanning the data of many open requests


def collect_rarely() -> None:
    """Collect garbage less often from now on. For our own processes; costs a few MB at most."""
    gc.set_threshold(ALLOCATIONS, *gc.get_threshold()[1:])


class _Frozen:
    """Whether there are frozen objects: kept once found, because counting many of them takes tens of milliseconds."""

    found = False


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage less often, and never scan what already exists, such as packs and databases.

    This affects the whole process and costs a few MB at most. Objects that the program itself has frozen stay frozen.
    """
    before = gc.get_threshold()
    ours = not _Frozen.found and gc.get_freeze_count() == 0
    _Frozen.found = True
    if ours:
        gc.freeze()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if ours:
            gc.unfreeze()
            _Frozen.found = False


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect no garbage within the block, which loads permanent data: every scan would find nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def collect_garbage() -> None:
    """Collect all garbage created since the process began to work. Takes milliseconds.

    The objects of a request form cycles. Until the next automatic collection, which is rare, they would occupy memory
    that the process may then be unable to return to the system.
    """
    gc.collect()


def release_memory() -> None:
    """Collect garbage and return free memory to the system if the C library can (glibc). Takes milliseconds."""
    import ctypes

    collect_garbage()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # another C library
        return
    trim(0)
