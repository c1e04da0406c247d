"""The lines of a run's file by slot. Positions are kept in memory; a line is read when it is needed.

A run of a million episodes is gigabytes of text, but a command needs only a few figures, or one episode.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from tau2_core.errors import RunError
from tau2_core.model.episodes import Slot
from tau2_core.records.decoding import Part, line_decoder
from tau2_core.records.figures import PlaceFigures
from tau2_core.records.journal import Journal
from tau2_core.records.lines import Line

Content = TypeVar("Content")
Place = TypeVar("Place", bound=PlaceFigures)
_ABSENT = -1


class SlotNumbers:
    """The slots of an inventory, each with a number: the trials of the first task, then those of the next."""

    def __init__(self, tasks: Sequence[str], trials: int) -> None:
        self._tasks, self._trials = tasks, trials
        self._firsts = {task: index * trials for index, task in enumerate(tasks)}

    def __len__(self) -> int:
        return len(self._tasks) * self._trials

    def number(self, task_id: str, trial: int) -> int | None:
        """Return the number of a slot, None if it is not in the inventory."""
        first = self._firsts.get(task_id)
        return first + trial if first is not None and 0 <= trial < self._trials else None

    def slot(self, number: int) -> Slot:
        index, trial = divmod(number, self._trials)
        return Slot(self._tasks[index], trial)


class SlotLines(Mapping[Slot, Content], Generic[Content]):
    """The lines of a run's file, by slot and in the order of the file; a slot's last line counts.

    Reading all values in turn reads the file once. Raises RunError with file and line if a line is damaged, and if the
    file was rewritten after its positions were read.
    """

    def __init__(
        self,
        journal: Journal,
        name: str,
        slots: SlotNumbers,
        place: type[Place],
        read: Callable[[Line], Content],
        *,
        check: Callable[[Line, Place], object] | None = None,
        keep: Callable[[Place], bool] | None = None,
        within: SlotLines[Any] | None = None,
    ) -> None:
        """Find the lines of the inventory's slots. Raises RunError if the file is damaged.

        Args:
            journal: the run folder.
            name: the file in it; it may be missing.
            slots: the inventory; lines of other slots are ignored.
            place: what is decoded of each line now.
            read: returns the content of a line when it is asked for.
            check: if given, is called with each line, and may raise RunError.
            keep: if given, tells whether a line counts; a slot whose last line does not count has none.
            within: if given, the slots that count; lines of others are ignored.
        """
        self._journal, self._name, self._file = journal, name, journal.folder / name
        self._slots, self._read = slots, read
        self._starts = array("q", [_ABSENT]) * len(slots)
        self._ends = array("q", [0]) * len(slots)
        self._lines = array("q", [0]) * len(slots)
        self._count = 0
        self._identity = _identity(self._file)
        decoded = line_decoder(self._file, place)
        for line in journal.raw_lines(name):
            found = decoded(line)
            if check is not None:
                check(line, found)
            number = slots.number(found.task_id, found.trial)
            if number is None or (within is not None and not within._has(number)):
                continue
            if keep is not None and not keep(found):
                self._count -= self._has(number)
                self._starts[number] = _ABSENT
                continue
            self._count += not self._has(number)
            self._starts[number], self._ends[number], self._lines[number] = line.start, line.end, line.number

    def __len__(self) -> int:
        return self._count

    def __contains__(self, slot: object) -> bool:
        return isinstance(slot, Slot) and self._number(slot) is not None

    def __getitem__(self, slot: Slot) -> Content:
        number = self._number(slot)
        if number is None:
            raise KeyError(slot)
        with self._opened() as stream:
            return self._read(self._line(stream, number))

    def __iter__(self) -> Iterator[Slot]:
        return map(self._slots.slot, self._in_order)

    def values(self) -> Iterator[Content]:  # type: ignore[override]
        """Yield the content of each line, in the order of the file."""
        return map(self._read, self.lines())

    def items(self) -> Iterator[tuple[Slot, Content]]:  # type: ignore[override]
        """Yield each slot and the content of its line, in the order of the file."""
        return zip(self, self.values(), strict=True)

    def figures(self, part: type[Part]) -> Iterator[Part]:
        """Yield only the fields of `part` of each line, in the order of the file."""
        return map(line_decoder(self._file, part), self.lines())

    @contextmanager
    def lookup(self, part: type[Part]) -> Iterator[Callable[[Slot], Part | None]]:
        """Within the block, read the fields of `part` for single slots; the file is opened once."""
        decoded = line_decoder(self._file, part)
        with self.open_lines() as line:
            yield lambda slot: None if (found := line(slot)) is None else decoded(found)

    @contextmanager
    def open_contents(self) -> Iterator[Callable[[Slot], Content | None]]:
        """Within the block, read the content of single slots' lines; the file is opened once."""
        with self.open_lines() as line:
            yield lambda slot: None if (found := line(slot)) is None else self._read(found)

    @contextmanager
    def open_lines(self) -> Iterator[Callable[[Slot], Line | None]]:
        """Within the block, read single slots' lines; the file is opened once."""
        if not self._count:
            yield lambda _slot: None
            return
        with self._opened() as stream:

            def line(slot: Slot) -> Line | None:
                number = self._number(slot)
                return None if number is None else self._line(stream, number)

            yield line

    def line(self, slot: Slot) -> Line:
        """Return the line of a slot as written in the file. Raises KeyError."""
        number = self._number(slot)
        if number is None:
            raise KeyError(slot)
        with self._opened() as stream:
            return self._line(stream, number)

    def remove_others(self) -> None:
        """Remove from the file all lines that do not count, and an incomplete last line. Raises RunError."""
        if not self._file.exists():
            return
        size = sum(self._ends[number] + 1 - self._starts[number] for number in self._in_order)
        last = self._ends[self._in_order[-1]] + 1 if self._count else 0
        if size == last:  # lines that do not count come last
            self._journal.truncate(self._name, size)
            return
        self._journal.replace(self._name, (line.content + b"\n" for line in self.lines()))
        end = 0
        for index, number in enumerate(self._in_order, 1):
            length = self._ends[number] - self._starts[number]
            self._starts[number], self._ends[number], self._lines[number] = end, end + length, index
            end += length + 1
        self._identity = _identity(self._file)

    def _number(self, slot: Slot) -> int | None:
        number = self._slots.number(slot.task_id, slot.trial)
        return number if number is not None and self._has(number) else None

    def _has(self, number: int) -> bool:
        return self._starts[number] != _ABSENT

    @cached_property
    def _in_order(self) -> array[int]:
        """The numbers of the slots that have a line, in the order of the file."""
        starts = self._starts
        return array("q", sorted(filter(self._has, range(len(starts))), key=starts.__getitem__))

    def lines(self) -> Iterator[Line]:
        """Yield each line as written in the file, in the order of the file."""
        if not self._count:
            return
        with self._opened() as stream:
            for number in self._in_order:
                yield self._line(stream, number)

    def _line(self, stream: BinaryIO, number: int) -> Line:
        start, end = self._starts[number], self._ends[number]
        stream.seek(start)
        return Line(self._lines[number], start, end, stream.read(end - start))

    def _opened(self) -> BinaryIO:
        try:
            stream = self._file.open("rb")
        except OSError as error:
            raise RunError(f"cannot read {self._file}: {error.strerror}; restore it, or start a new run") from error
        if _identity(self._file) != self._identity:
            stream.close()
            raise RunError(f"{self._file} was rewritten while it was being read; read the run again")
        return stream


def _identity(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None
