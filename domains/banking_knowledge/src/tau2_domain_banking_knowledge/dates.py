"""Dates as the records hold them, seen from the day on which everything happens."""

from datetime import datetime
from typing import Any

DATE = "%m/%d/%Y"


def age_in_days(date: Any, now: datetime) -> int | None:
    """Return how many whole days have passed since a date; None if it is none."""
    try:
        return (now - datetime.strptime(date, DATE)).days
    except (TypeError, ValueError):
        return None


def when(date: Any) -> datetime:
    """Return a date with or without a time, for sorting; what is no date comes before all others."""
    for form in (f"{DATE} %H:%M:%S", DATE):
        try:
            return datetime.strptime(date, form)
        except (TypeError, ValueError):
            continue
    return datetime.min
