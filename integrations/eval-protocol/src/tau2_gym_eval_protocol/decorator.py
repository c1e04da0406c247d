"""The decorator `@evaluation_test`: turns a function that scores rows into a pytest test (spec/evaluation_test.md)."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from tau2_core.errors import Tau2GymError, UsageError
from tau2_core.records.run_names import default_name
from tau2_core.redaction import run_redactor
from tau2_core.runtime.event_loop import loop_factory

from tau2_gym_eval_protocol.arguments import Arguments, Rows
from tau2_gym_eval_protocol.experiment import Experiment
from tau2_gym_eval_protocol.figures import ExperimentFigures
from tau2_gym_eval_protocol.inputs import Case, cases, model_names
from tau2_gym_eval_protocol.progress import ExperimentProgress
from tau2_gym_eval_protocol.rows import EvaluationRow
from tau2_gym_eval_protocol.scoring import Scoring, call_function

if TYPE_CHECKING:
    import pytest

PROPERTY = "tau2_gym"
OURS = ("request", "completion_params", "evaluation_case")
Function = Callable[..., Any]


class evaluation_test(Arguments):  # noqa: N801 - a decorator, named as eval-protocol's
    """Turn a function that takes `row` or `rows` and returns them with an `evaluation_result` into a pytest test.

    Our rollout processors grade what they play, so `return row` is enough. Further parameters of the function are
    fixtures or keys of `evaluation_test_kwargs`. `await test(row)` calls the function itself.
    """

    def __call__(self, function: Function) -> Function:
        """Return the test. Raises UsageError if the signature does not fit the mode."""
        wanted = self._check_signature(function)
        given = {key for kwargs in self.evaluation_test_kwargs or () for key in kwargs}
        fixtures = [name for name in wanted if name not in given and name not in OURS]

        @wraps(function)
        def test(*args: Any, **kwargs: Any) -> Any:
            if "evaluation_case" not in kwargs:
                return call_function(function, *args, **kwargs)
            bound = function.__get__(args[0]) if args else function  # the test is a method
            known = {name: kwargs[name] for name in OURS}
            self._run(bound, {name: kwargs[name] for name in wanted if name in kwargs}, **known)
            return None

        own = [name for name in inspect.signature(function).parameters if name == "self"]
        parameters = [inspect.Parameter(name, _KIND) for name in [*own, *OURS, *fixtures]]
        vars(test).update(
            __signature__=inspect.Signature(parameters),
            __test__=True,  # so that pytest collects it under any name
            __evaluation__=self,
            __ep_params__=vars(self),
            _origin_func=function,
        )
        return test

    def _check_signature(self, function: Function) -> list[str]:
        """Return the names of the parameters after `row` or `rows`."""
        name, kind = ("row", EvaluationRow) if self.mode == "pointwise" else ("rows", list[EvaluationRow])
        names = [each for each in inspect.signature(function).parameters if each != "self"]
        where = f"{function.__module__}.{function.__qualname__}, mode {self.mode}"
        if not names or names[0] != name:
            raise UsageError(f"{where}: its first parameter should be `{name}`, not {', '.join(names[:1]) or 'none'}")
        try:
            hints = get_type_hints(function)
        except NameError as error:
            raise UsageError(f"{where}: its annotations cannot be read: {error}") from error
        for what in (name, "return"):
            if what in hints and hints[what] != kind:
                raise UsageError(f"{where}: `{what}` is annotated {hints[what]}, and should be {kind}")
        return names[1:]

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Make one test for each case and model; in mode groupwise, one test covers all models."""
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
            found = [Case("none", partial(_reraise, error))]  # the test reports it, and other cases are played
        metafunc.parametrize("evaluation_case", found, ids=[case.name for case in found])

    def _run(
        self,
        function: Function,
        fixtures: Mapping[str, Any],
        request: pytest.FixtureRequest,
        completion_params: Any,
        evaluation_case: Case,
    ) -> None:
        import pytest

        from tau2_gym_eval_protocol.setup_errors import setup_error

        try:
            found = self._played(function, fixtures, request, completion_params, evaluation_case)
        except Tau2GymError as error:
            raise setup_error(str(error), list(getattr(error, "__notes__", ()))) from None
        redactor = run_redactor([params or {} for params in self.completion_params or []])
        summaries = redactor.errors([figures.keep() for figures in found])
        request.node.user_properties += [
            (PROPERTY, json.dumps(summaries)),
            *((key, summary[key]) for summary in summaries for key in ("agg_score", "folder")),
        ]
        problems = [figures.problem() or (None if figures.passed else figures.failure()) for figures in found]
        if any(problems):
            pytest.fail(redactor.error("\n\n".join(filter(None, problems))), pytrace=False)

    def _played(
        self,
        function: Function,
        fixtures: Mapping[str, Any],
        request: pytest.FixtureRequest,
        completion_params: Any,
        case: Case,
    ) -> list[ExperimentFigures]:
        """Play and score a case with each model; return the figures of each."""
        all_params = completion_params if self.mode == "groupwise" else [completion_params]
        rows = case.load()
        suite = str(request.node.originalname or request.node.name)
        out = Path(request.config.getoption("gym_out"))
        worker = [*filter(None, [getattr(request.config, "workerinput", {}).get("workerid")])]  # of pytest-xdist
        experiments = []
        for index, (params, model) in enumerate(zip(all_params, model_names(all_params), strict=True)):
            names = [model, *([case.name] if self.split_rows else [])]
            folder = out / default_name("-".join([*worker, suite]), "-".join(names))
            place = index if len(all_params) > 1 else None
            experiments.append(Experiment(self, suite, model, params, rows, folder, place))
        total = len(rows) * self.num_runs * len(all_params)
        with ExperimentProgress(request.config, request.node.name, total) as progress:
            scoring = Scoring(self, function, {**fixtures, **case.kwargs}, experiments, progress)
            try:
                with asyncio.Runner(loop_factory=loop_factory()) as runner:
                    runner.run(scoring.run())
            except Exception as error:
                folders = [experiment.folder for experiment in experiments if experiment.folder.is_dir()]
                if folders:
                    error.add_note("\n".join(f"record: {folder}" for folder in folders))
                raise
        return [ExperimentFigures(experiment) for experiment in experiments]


_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _reraise(error: Tau2GymError) -> Rows:
    raise error
