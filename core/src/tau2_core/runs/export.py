"""Exporting runs and tasks into other tools' formats, and into official result files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, overload

from tau2_core.adapters.tau2_bench.official_ends import without_calls_beside_done
from tau2_core.adapters.tau2_bench.results_writer import Exported, Format, simulation, write_results
from tau2_core.episode.customer_settings import choose_customers
from tau2_core.episode.setting import Setting
from tau2_core.episode.tool_lists import agent_tools
from tau2_core.errors import PluginError, RunError, Tau2GymError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import Grade, Judgement
from tau2_core.model.exports import Export, ExportedEpisode, ExportedRun
from tau2_core.model.lazy import loaded
from tau2_core.model.registrations import ExporterSpec
from tau2_core.model.tasks import Task
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.figures import Timing
from tau2_core.records.reader import RecordedRun
from tau2_core.runs.digests import text_digest
from tau2_core.runs.evaluator_sets import choose_evaluators
from tau2_core.runs.named_values import named_values

Options = Mapping[str, str]  # of an exporter


def tasks_export(
    setting: Setting, *, split: str | None = None, user_model: str | None = None, options: Options | None = None
) -> Export:
    """Return the exporter's input for the tasks of a split. Raises UsageError if there is none."""
    tasks = setting.select(split=split)
    if not tasks:
        raise UsageError(f"{setting.domain}: there are no tasks to export")
    return _export(setting, {task.id: task for task in tasks}, user_model, None, options)


def run_export(
    run: RecordedRun, setting: Setting, user_model: str | None = None, options: Options | None = None
) -> Export:
    """Return the exporter's input for a run. Raises RunError if no episode of it is finished."""
    if not run.records:
        raise RunError(f"{run.folder} contains no finished episode")
    recorded = ExportedRun(run.name, run.folder, run.config, _Episodes(run))
    return _export(setting, run.task_models(), user_model, recorded, options)


class _Episodes(Sequence[ExportedEpisode]):
    """The episodes of a run, each read when it is asked for, since a run may be larger than the memory."""

    def __init__(self, run: RecordedRun) -> None:
        self._run = run

    def __len__(self) -> int:
        return len(self._run.records)

    def __iter__(self) -> Iterator[ExportedEpisode]:
        run = self._run
        with (
            run.grades.open_contents() as grade,
            run.judgements.open_contents() as judgement,
            run.seconds.lookup(Timing) as timing,
        ):
            for slot, record in run.records.items():
                yield _episode(record, grade(slot), judgement(slot), timing(slot))

    @overload
    def __getitem__(self, index: int) -> ExportedEpisode: ...

    @overload
    def __getitem__(self, index: slice) -> list[ExportedEpisode]: ...

    def __getitem__(self, index: int | slice) -> ExportedEpisode | list[ExportedEpisode]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        run, place = self._run, range(len(self))[index]
        slot = next(islice(run.records, place, None))
        with run.seconds.lookup(Timing) as timing:
            return _episode(run.records[slot], run.grades.get(slot), run.judgements.get(slot), timing(slot))


def _episode(
    record: EpisodeRecord, grade: Grade | None, judgement: Judgement | None, timing: Timing | None
) -> ExportedEpisode:
    if timing is None:
        return ExportedEpisode(record, grade, judgement, 0.0)
    return ExportedEpisode(record, grade, judgement, timing.seconds, timing.by_message())


def _export(
    setting: Setting,
    tasks: Mapping[str, Task],
    user_model: str | None,
    run: ExportedRun | None,
    options: Options | None,
) -> Export:
    return Export(
        domain=setting.domain,
        variant=setting.variant,
        solo=setting.solo,
        policy=setting.policy_text,
        tools=agent_tools(setting),
        tasks=tasks,
        user_model=user_model,
        run=run,
        variant_options=setting.variant_options,
        options=options or {},
    )


def chosen_options(exporter: ExporterSpec, texts: Sequence[str]) -> dict[str, str]:
    """Return the exporter's own options from `NAME=VALUE` texts. Raises UsageError."""
    return named_values("--option", texts, exporter.options, f"exporter {exporter.name!r}")


def exported(exporter: ExporterSpec, export: Export, out: Path | None) -> str:
    """Write an export to a new file or folder, or send it to another program; return what was done, in words.

    Raises UsageError if a file is given for an exporter that sends, or is missing for one that writes, RunError if the
    file already exists or cannot be written, PluginError if the exporter fails; our own errors of an exporter pass
    unchanged.
    """
    things = "rows" if export.run is None or exporter.lines else "episodes"
    if exporter.send is not None:
        if out is not None:
            raise UsageError(f"{out}: --to {exporter.name} sends its output and writes no file; leave the file out")
        with _guarded(exporter):
            return f"{loaded(exporter.send)(export)} {things} sent"
    if out is None:
        raise UsageError(f"--to {exporter.name}: name the file to write")
    return f"{write_export(exporter, export, out)} {things} written to {out}"


def write_export(exporter: ExporterSpec, export: Export, out: Path) -> int:
    """Write an export in an exporter's format to a new file or folder; return the number of things written.

    Raises RunError if it already exists or cannot be written, PluginError if the exporter fails; our own errors of an
    exporter pass unchanged.
    """
    if exporter.write is None:
        return write_lines(out, _exported_lines(exporter, export))
    if out.exists():
        raise RunError(f"{out} already exists; remove it, or name another place")
    with _guarded(exporter):
        return loaded(exporter.write)(export, out)


def _exported_lines(exporter: ExporterSpec, export: Export) -> Iterator[Mapping[str, Any]]:
    if exporter.lines is None:
        raise PluginError(
            f"exporter {exporter.name!r} has none of `lines`, `write` and `send`; fix or block its plugin"
        )
    with _guarded(exporter):
        lines = iter(loaded(exporter.lines)(export))
    while True:
        with _guarded(exporter):
            line = next(lines, None)
        if line is None:
            return
        yield line


@contextmanager
def _guarded(exporter: ExporterSpec) -> Iterator[None]:
    try:
        with foreign():
            yield
    except Tau2GymError:
        raise
    except Exception as error:
        raise PluginError(
            f"exporter {exporter.name!r} failed: {describe_error(error)}; fix or block its plugin"
        ) from error


def write_lines(file: Path, lines: Iterable[Mapping[str, Any]]) -> int:
    """Write JSON lines into a new file, one at a time, and return their number.

    Raises RunError if the file already exists or cannot be written. If a line cannot be produced, no file is left.
    """
    number = 0
    try:
        with file.open("xb") as target:
            try:
                for line in lines:
                    target.write(f"{json.dumps(line, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace"))
                    number += 1
            except BaseException:
                file.unlink()
                raise
    except FileExistsError as error:
        raise RunError(f"{file} already exists; remove it, or name another file") from error
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror}") from error
    return number


def export_tau2_bench(
    run: RecordedRun, setting: Setting, catalogue: Catalogue, target: Path, layout: Format
) -> tuple[Path, list[str]]:
    """Write a run as official result files; return the results file and warnings about it.

    Raises RunError if there is nothing to write, or a file already exists.
    """
    if not run.records:
        raise RunError(f"{run.folder} contains no finished episode")
    config = run.config
    warnings = []
    if text_digest(setting.policy_text) != config["digests"]["policy"]:
        warnings.append("the policy has changed since the run; the file contains the present one")
    about = _about(run, setting)
    tasks = run.task_models()
    order = {task_id: index for index, task_id in enumerate(tasks)}
    simulations = []
    for slot in sorted(run.records, key=lambda slot: (slot.trial, order[slot.task_id])):
        record, grade = run.records[slot], run.grades.get(slot)
        task = tasks[slot.task_id]
        official = without_calls_beside_done(record)
        if official is not None:
            record, grade = official, grade and _graded_anew(run, setting, catalogue, official, task, grade)
        simulations.append(simulation(about, record, task, grade, run.seconds.get(slot, 0.0)))
    ungraded = sum(each["reward_info"] is None for each in simulations)
    if ungraded:
        warnings.append(f"{ungraded} episodes have no reward")
    return write_results(target, layout, about, tasks.values(), simulations), warnings


def _graded_anew(
    run: RecordedRun, setting: Setting, catalogue: Catalogue, official: EpisodeRecord, task: Task, own: Grade
) -> Grade:
    grader = choose_evaluators(catalogue, own.evaluators, setting).grader(setting)
    grade = grader.grade(official, task, run.judgements.get(official.slot))
    note = f"tau2-bench does not make calls beside `done`; with them the reward was {own.reward}"
    return grade.model_copy(update={"note": "; ".join(filter(None, (grade.note, note)))})


def _about(run: RecordedRun, setting: Setting) -> Exported:
    config: dict[str, Any] = run.config
    started = datetime.fromtimestamp((run.folder / "run.json").stat().st_mtime, UTC).replace(tzinfo=None)
    return Exported(
        domain=config["domain"],
        variant=config["variant"],
        solo=config["solo"],
        mode=config["mode"],
        policy=setting.policy_text,
        started=started,
        trials=config["trials"],
        max_steps=config["limits"]["max_steps"],
        max_errors=config["limits"]["max_errors"],
        seed=config["seed"],
        agent=config["agent"]["name"],
        user=config["user"]["name"],
        models=config.get("models") or {},
        tool_kinds={tool.name: tool.kind for role in ("agent", "user") for tool in setting.pack.tools[role].values()},
        guidelines=_guidelines(config, setting),
        retrieval_options=config.get("variant_options", {}) if setting.pack.manifest.knowledge else None,
    )


def _guidelines(config: Mapping[str, Any], setting: Setting) -> str | None:
    """Return the prompt of the run's customers without tools; None if it was the core's own."""
    chosen = choose_customers(setting.pack, config["user"].get("prompt"), (), config["seed"])
    own = setting.dataset.user_guidelines.get(False) if setting.dataset else None
    return chosen.guidelines(setting.pack, ()) or own
