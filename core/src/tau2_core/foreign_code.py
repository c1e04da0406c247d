"""A guard around code from outside: handlers, plugins, prompts, evaluators. Whatever it raises becomes an Exception.

    with foreign("handler book_flight"):
        value = handler(db, **arguments)

`except Exception` around that block then catches everything: `sys.exit()`, a raised KeyboardInterrupt, CancelledError
or GeneratorExit, and other BaseExceptions become ForeignExit. A real Ctrl-C and a real cancellation pass unchanged.
"""

from __future__ import annotations

import ctypes
import opcode
import threading
from types import TracebackType

MAX_TEXT = 2000
_RAISE = opcode.opmap["RAISE_VARARGS"]


class ForeignExit(Exception):  # noqa: N818 - named after what the code attempted
    """Foreign code raised something that would have ended the surrounding process, task or generator."""

    def __init__(self, what: str, error: BaseException) -> None:
        super().__init__(f"{what} raised {describe_error(error)}" if what else describe_error(error))
        self.raised = type_name(error)


def type_name(error: BaseException) -> str:
    """Return the name of an error's type as in a traceback; for a ForeignExit, that of its cause."""
    return error.raised if isinstance(error, ForeignExit) else type(error).__name__


def error_text(error: BaseException) -> str:
    """Return an error's text, at most 2,000 characters, possibly empty. Never raises."""
    try:
        text = str(error)
    except BaseException as again:
        if is_real_interrupt(again):
            raise
        return f"(its text cannot be read: {type(again).__name__})"
    size = len(text)
    if size > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}… ({size} characters)"
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()  # for lone surrogates


def describe_error(error: BaseException) -> str:
    """Return `Type: text` for any error. Never raises."""
    text = error_text(error)
    if isinstance(error, ForeignExit):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def contain(error: BaseException, what: str = "") -> Exception:
    """Return an error from foreign code as an Exception, to be raised or recorded. Re-raises a real interrupt.

    Call it in an `except BaseException` block. StopIteration is converted too, since a coroutine cannot raise it.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    if is_real_interrupt(error):
        raise error
    contained = ForeignExit(what, error).with_traceback(error.__traceback__)  # the loop ends where it was raised
    contained.__cause__ = error
    return contained


class Stop(SystemExit):
    """Raised in a thread whose result is no longer needed."""


def stop_thread(thread: threading.Thread) -> None:
    """Raise `Stop` where a thread is, which ends a loop but no call of C code."""
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stop))


class foreign:  # noqa: N801 - reads as a statement
    """Contain what a block of foreign code raises. `what` names the code in the error. May surround an `await`."""

    __slots__ = ("_what",)

    def __init__(self, what: str = "") -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        contained = contain(error, self._what)
        if contained is not error:
            raise contained from error


def is_real_interrupt(error: BaseException) -> bool:
    """Tell whether an error is a real Ctrl-C, a cancellation or a closed coroutine, and not raised by foreign code.

    A signal or a `close()` may interrupt any instruction. An error from a `raise` statement outside asyncio and this
    package comes from foreign code.
    """
    import asyncio  # here, since it would take a tenth of the time of `tau2-gym --help`

    if isinstance(error, asyncio.CancelledError):
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no event loop in this thread
            return False
        return task is not None and task.cancelling() > 0
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is not threading.main_thread():
        return False
    return isinstance(error, KeyboardInterrupt | GeneratorExit) and not _was_raised_by_foreign_code(error)


def _was_raised_by_foreign_code(error: BaseException) -> bool:
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame
    if trace.tb_lasti < 0 or frame.f_code.co_code[trace.tb_lasti] != _RAISE:
        return False
    module = str(frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] not in ("asyncio", "tau2_core")
