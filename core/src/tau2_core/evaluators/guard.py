"""Running an evaluator so that the result is always a verdict, even if the evaluator crashes or never returns."""

from __future__ import annotations

import inspect
import json
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType, TracebackType

from pydantic import TypeAdapter

from tau2_core.errors import TaskError
from tau2_core.evaluators.time_limit import TimeLimitError, run_within
from tau2_core.foreign_code import contain, describe_error
from tau2_core.model.evaluation import Check, Evidence, Grade, Status, Verdict, reaches

OWN = "tau2_core"
LONGEST_TRACEBACK = 20_000
_VERDICT: TypeAdapter[Verdict] = TypeAdapter(Verdict)


def guarded(
    criterion: str, evaluate: Callable[[Evidence], object], evidence: Evidence, seconds: float | None = None
) -> Verdict:
    """Return an evaluator's verdict, or one with status `error` and the reason.

    If the evaluator crashes, takes longer than `seconds` (None: no limit), or does not return a verdict, the error
    verdict has a traceback. If the episode cannot be replayed it has none, since the record is the cause and not the
    evaluator.
    """
    returned = False

    def work() -> Verdict:
        nonlocal returned
        verdict = evaluate(evidence)
        returned = True
        return _checked(verdict, evaluate)

    try:
        return work() if seconds is None else run_within(seconds, work)
    except TimeLimitError as error:
        place = _innermost(reversed(error.stack), evaluate) or _defined_at(evaluate)
        trace = "".join(traceback.StackSummary.extract(reversed(error.stack)).format())
        return _failed(criterion, f"{error} ({place})", _shortened(f"{trace}{describe_error(error)}"))
    except BaseException as error:  # noqa: BLE001 - an evaluator may raise anything; it becomes the verdict
        contained = contain(error)
        if isinstance(error, TaskError) and _module(error.__traceback__).startswith(f"{OWN}."):
            return _failed(criterion, describe_error(error), "")
        place = _defined_at(evaluate)
        if not returned:
            place = _innermost(traceback.walk_tb(error.__traceback__), evaluate) or place
        return _failed(criterion, f"{describe_error(contained)} ({place})", _traceback(error))


def crashes(grades: Iterable[Grade]) -> list[str]:
    """Return a line for each evaluator that crashed, with the number of episodes and the first reason."""
    found: dict[str, list[str]] = {}
    for grade in grades:
        for criterion, verdict in grade.verdicts.items():
            if verdict.traceback:
                why = verdict.checks[0].why if verdict.checks else ""
                found.setdefault(criterion, []).append(f"{grade.task_id}#{grade.trial}: {why}")
    return [f"the evaluator of {name} crashed on {len(why)} episodes, first {why[0]}" for name, why in found.items()]


def _checked(verdict: object, evaluate: Callable[[Evidence], object]) -> Verdict:
    if not isinstance(verdict, Verdict):
        if inspect.iscoroutine(verdict):
            verdict.close()
        raise TypeError(f"it should return a Verdict, not {type(verdict).__name__}")
    if is_own(evaluate):
        return verdict
    # Record a validated copy, which the evaluator cannot change later.
    copy = _VERDICT.validate_python(json.loads(json.dumps(_VERDICT.dump_python(verdict, mode="json"))))
    if (copy.reward is None) == (copy.status in (Status.GRADED, Status.VACUOUS)):
        raise ValueError(f"its verdict is {copy.status.value}, but has {'no' if copy.reward is None else 'a'} reward")
    if copy.status is Status.VACUOUS and not (copy.reward and reaches(copy.reward)):
        raise ValueError(f"its verdict is vacuous, so its reward should be 1, not {copy.reward:g}")
    if copy.reward is not None and not 0 <= copy.reward <= 1:
        raise ValueError(f"its reward should be between 0 and 1, not {copy.reward:g}")
    copy.traceback = ""  # it did not crash
    return copy


def _failed(criterion: str, why: str, trace: str) -> Verdict:
    check = Check(what=criterion, met=None, why=why)
    return Verdict(criterion=criterion, status=Status.ERROR, reward=None, checks=[check], traceback=trace)


def _traceback(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - formatting an exception may fail; show its frames only
        text = "".join(traceback.format_tb(error.__traceback__)) + describe_error(error)
    return _shortened(text.encode(errors="backslashreplace").decode())


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TRACEBACK else f"… {text[-LONGEST_TRACEBACK:]}"


def _innermost(frames: Iterable[tuple[FrameType, int]], evaluate: object) -> str:
    """Return the last frame in the evaluator's own file, else the last one outside the core, else "".

    For an evaluator of the core it is the reverse, since code of a pack that it calls is more likely at fault.
    """
    own = getattr(_code(evaluate), "co_filename", None)
    inside = outside = ""
    for frame, line in frames:
        place = f"{frame.f_code.co_filename}:{line}"
        if frame.f_code.co_filename == own:
            inside = place
        if not str(frame.f_globals.get("__name__", "")).startswith(f"{OWN}."):
            outside = place
    return (outside or inside) if is_own(evaluate) else (inside or outside)


def _module(trace: TracebackType | None) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    return str(frames[-1].f_globals.get("__name__", "")) if frames else ""


def _code(evaluate: object) -> object:
    while isinstance(evaluate, partial):
        evaluate = evaluate.func
    return getattr(evaluate, "__code__", None) or getattr(type(evaluate).__call__, "__code__", None)


def is_own(evaluate: object) -> bool:
    """Tell whether an evaluator is one of the core's."""
    while isinstance(evaluate, partial):
        evaluate = evaluate.func
    return str(getattr(evaluate, "__module__", "")).startswith(f"{OWN}.")


def _defined_at(evaluate: object) -> str:
    code = _code(evaluate)
    file, line = getattr(code, "co_filename", None), getattr(code, "co_firstlineno", None)
    return f"{file}:{line}" if file else repr(evaluate)
