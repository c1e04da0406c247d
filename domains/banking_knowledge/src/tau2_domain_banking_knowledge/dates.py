"""Dates in the format of the records, and their age on the day of the episode."""

from datetime import datetime
from typing import Any

DATE = "%m/%d/%Y"


def age_in_days(date: Any, now: datetime) -> int | None:
    """Return how many whole days have passed since a date; None if it is not a valid date."""
    try:
        return (now - datetime.strptime(date, DATE)).days
    except (TypeError, ValueError):
        return None


def when(date: Any) -> datetime:
    """Return a date with or without a time, for sorting; invalid dates come first."""
    for form in (f"{DATE} %H:%M:%S", DATE):
        try:
            return datetime.strptime(date, form)
        except (TypeError, ValueError):
            continue
    return datetime.min
