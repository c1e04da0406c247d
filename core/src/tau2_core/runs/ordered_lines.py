"""Writing lines in the order of episodes, although they are graded in another order."""

from __future__ import annotations

from tau2_core.records.journal import Journal

Lines = list[tuple[str, bytes]]


class OrderedLines:
    """Holds lines back until all earlier ones are written, so that equal runs give equal files.

    Nothing waits for it. Lines that a killed run was holding back are graded again on resume.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._places = 0
        self._next = 0
        self._ready: dict[int, Lines] = {}

    def place(self) -> int:
        """Return the next place in the order."""
        self._places += 1
        return self._places - 1

    def put(self, place: int, lines: Lines) -> None:
        """Write the lines (file and line) of a place, or hold them back. Raises RunError."""
        self._ready[place] = lines
        while self._next in self._ready:
            self._write(self._ready.pop(self._next))
            self._next += 1

    def write_rest(self) -> None:
        """Write all lines that are held back, when some places remain empty. Raises RunError."""
        for place in sorted(self._ready):
            self._write(self._ready.pop(place))

    def _write(self, lines: Lines) -> None:
        for name, line in lines:
            self._journal.append_line(name, line)
