"""`@evaluation_test`: a function that judges rows, made a pytest test that plays them (spec/evaluation_test.md)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from tau2_core.background import tracked_loops
from tau2_core.errors import RunError, Tau2GymError, UsageError
from tau2_core.records.journal import Journal
from tau2_core.redaction import Redactor, run_redactor
from tau2_core.runs.execute import BUSY_SECONDS
from tau2_core.testing.bodies import Evaluation, run_body
from tau2_core.testing.cases import Case, cases, model_names
from tau2_core.testing.experiment import Experiment
from tau2_core.testing.in_process import InProcessRolloutProcessor
from tau2_core.testing.parameters import Parameters, Rows
from tau2_core.testing.progress import Progress
from tau2_core.testing.results import Result, as_property
from tau2_core.testing.rows import EvaluationRow
from tau2_core.watchdog import watched_for

if TYPE_CHECKING:
    import pytest

PROPERTY = "tau2_gym"
OURS = ("request", "completion_params", "evaluation_case")
Body = Callable[..., Any]


class evaluation_test(Parameters):  # noqa: N801 - a decorator, named as eval-protocol's
    """Make a test of a function that takes a row (or `rows`) and returns it with its `evaluation_result`.

    What our rollout processors play comes with the evaluators' result, so `return row` will do. Further parameters of
    the function are fixtures, or keys of `evaluation_test_kwargs`. Called with rows, `await test(row)` runs the
    function alone.
    """

    def __call__(self, body: Body) -> Body:
        """Return the test. Raises UsageError for a signature that does not fit the mode."""
        wanted = self._check_signature(body)
        given = {key for kwargs in self.evaluation_test_kwargs or () for key in kwargs}
        fixtures = [name for name in wanted if name not in given and name not in OURS]

        @wraps(body)
        def test(*args: Any, **kwargs: Any) -> Any:
            if "evaluation_case" not in kwargs:
                return run_body(body, *args, **kwargs)
            bound = body.__get__(args[0]) if args else body  # the test is a method
            known = {name: kwargs[name] for name in OURS}
            self._run(bound, {name: kwargs[name] for name in wanted if name in kwargs}, **known)
            return None

        own = [name for name in inspect.signature(body).parameters if name == "self"]
        parameters = [inspect.Parameter(name, _KIND) for name in [*own, *OURS, *fixtures]]
        vars(test).update(
            __signature__=inspect.Signature(parameters),
            __test__=True,  # whatever it is called
            __evaluation__=self,
            __ep_params__=vars(self),
            _origin_func=body,
        )
        return test

    def _check_signature(self, body: Body) -> list[str]:
        """Return the names of the parameters after the rows'."""
        name, kind = ("row", EvaluationRow) if self.mode == "pointwise" else ("rows", list[EvaluationRow])
        names = [each for each in inspect.signature(body).parameters if each != "self"]
        where = f"{body.__module__}.{body.__qualname__}, mode {self.mode}"
        if not names or names[0] != name:
            raise UsageError(f"{where}: its first parameter should be `{name}`, not {', '.join(names[:1]) or 'none'}")
        try:
            hints = get_type_hints(body)
        except NameError as error:
            raise UsageError(f"{where}: its annotations cannot be read: {error}") from error
        for what in (name, "return"):
            if what in hints and hints[what] != kind:
                raise UsageError(f"{where}: `{what}` is annotated {hints[what]}, and should be {kind}")
        return names[1:]

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Make one test a case and model; in mode groupwise all models are of one test."""
        params = self.completion_params or [None]
        names = model_names(params)
        marks = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize") if mark.args]
        if self.mode == "groupwise":
            metafunc.parametrize("completion_params", [params], ids=["+".join(names)])
        elif not any("completion_params" in (mark if isinstance(mark, str) else list(mark)) for mark in marks):
            metafunc.parametrize("completion_params", params, ids=names)
        try:
            found = cases(self)
        except Tau2GymError as error:
            found = [Case("none", partial(_reraise, error))]  # the test says it, and others are played
        metafunc.parametrize("evaluation_case", found, ids=[case.name for case in found])

    def _run(
        self,
        body: Body,
        fixtures: Mapping[str, Any],
        request: pytest.FixtureRequest,
        completion_params: Any,
        evaluation_case: Case,
    ) -> None:
        import pytest

        from tau2_core.testing.problems import problem

        try:
            results = self._results(body, fixtures, request, completion_params, evaluation_case)
        except Tau2GymError as error:
            raise problem(str(error), _notes(error)) from None
        redactor = run_redactor([params or {} for params in self.completion_params or []])
        summaries = redactor.value([result.keep() for result in results])
        request.node.user_properties += [
            (PROPERTY, as_property(summaries)),
            *((key, summary[key]) for summary in summaries for key in ("agg_score", "folder")),
        ]
        problems = [result.problem() or (None if result.passed else result.failure()) for result in results]
        if any(problems):
            pytest.fail(redactor.error("\n\n".join(filter(None, problems))), pytrace=False)

    def _results(
        self,
        body: Body,
        fixtures: Mapping[str, Any],
        request: pytest.FixtureRequest,
        completion_params: Any,
        case: Case,
    ) -> list[Result]:
        all_params = completion_params if self.mode == "groupwise" else [completion_params]
        rows = case.load()
        suite = str(request.node.originalname or request.node.name)
        folder = Path(request.config.getoption("gym_out"))
        worker = [*filter(None, [getattr(request.config, "workerinput", {}).get("workerid")])]  # of pytest-xdist
        several = len(all_params) > 1
        experiments = []
        for index, (params, model) in enumerate(zip(all_params, model_names(all_params), strict=True)):
            names = [*worker, suite, model, *([case.name] if self.split_rows else [])]
            journal = _journal(folder, names, run_redactor([params or {}]))
            experiments.append(Experiment(self, suite, model, params, rows, journal, index if several else None))
        kwargs = {**fixtures, **case.kwargs}
        progress = Progress(request.config, request.node.name, len(rows) * self.num_runs * len(all_params))
        evaluation = Evaluation(self, body, kwargs, self.rollout_processor or InProcessRolloutProcessor(), progress)
        with ExitStack() as stack:
            for experiment in experiments:
                stack.enter_context(experiment.journal.alone())
            stack.enter_context(progress)
            timeout = (self.rollout_processor_kwargs or {}).get("timeout")
            try:
                with asyncio.Runner(loop_factory=tracked_loops(asyncio.new_event_loop)) as runner:
                    runner.run(_interrupting(evaluation.run(experiments), timeout))
            except Exception as error:
                error.add_note("\n".join(f"record: {experiment.journal.folder}" for experiment in experiments))
                raise
        return [Result(experiment) for experiment in experiments]


_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


async def _interrupting(work: Coroutine[Any, Any, None], timeout: object) -> None:
    """Await work in which code of others is interrupted when it keeps the event loop busy for too long."""
    seconds = timeout if isinstance(timeout, int | float) and timeout > 0 else BUSY_SECONDS
    with watched_for(min(seconds, BUSY_SECONDS)):
        await work


def _reraise(error: Tau2GymError) -> Rows:
    raise error


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


def _journal(folder: Path, names: Sequence[str], redactor: Redactor) -> Journal:
    """Open a folder of its own: workers, and tests of one microsecond, do not get in each other's way."""
    parts = [f"{datetime.now():%Y%m%d-%H%M%S-%f}", *names]
    name = "-".join(
        "".join(letter if letter.isalnum() or letter in "._=-" else "-" for letter in part) for part in parts
    )
    try:
        return Journal(folder / name[:200], redactor=redactor)
    except RunError as error:
        if not isinstance(error.__cause__, FileExistsError):
            raise
        return _journal(folder, names, redactor)
