"""Names of run folders."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from tau2_core.terminal_text import printable_line

LONGEST_NAME = 255
REFUSED_BY_WINDOWS = re.compile(r'[<>:"|?*]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
MOST_OF_A_NAME = 120


def default_name(domain: str, agent: str) -> str:
    """Return a name that sorts by time. Characters that a file system may refuse become dashes."""
    return f"{datetime.now():%Y%m%d-%H%M%S-%f}-" + re.sub(r"[^\w.@+-]+", "-", f"{domain}-{agent}")[:MOST_OF_A_NAME]


def refused_name(name: str) -> str:
    """Return why a text cannot be the name of a run's folder, "" if it can."""
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name:
        return "should be a folder name without a path; choose its parent with --out"
    if printable_line(name) != name:
        return "contains unprintable characters; use letters, digits, dots and dashes"
    if found := REFUSED_BY_WINDOWS.search(name):
        return f"contains {found[0]!r}, which Windows refuses in a name; choose one that works everywhere"
    if len(name.encode()) > LONGEST_NAME:
        return f"is {len(name.encode())} bytes long; the maximum is {LONGEST_NAME}"
    return ""
