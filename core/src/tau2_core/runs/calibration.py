"""Calibrating a judge: it decides labelled statements as in a run, several times and in reverse order too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tau2_core.adapters.calibration_set import KINDS, CalibrationCase, CalibrationSet
from tau2_core.errors import DatasetError, RunError, UsageError
from tau2_core.llm.judge import transcript
from tau2_core.llm.panel import Panel
from tau2_core.model.episodes import Usage
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.pack_modules import locate
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.judge_calibration import CountedRate, JudgeCalibration, LengthPart, Part, WrongCase
from tau2_core.records.statistics import exact_rate
from tau2_core.runs.calibration_answers import AnswersFile, JudgeAnswer
from tau2_core.runs.concurrency import for_each
from tau2_core.runs.loading import load_setting

OWN_SET = "calibration.jsonl"  # in the folder of a pack

AT_ONCE = 3  # statements in a request, as most tasks have
REVERSED = "reversed"
LENGTHS = 4  # groups of transcripts by length


@dataclass(frozen=True)
class Question:
    """Some cases about one conversation that are asked together; `asked_as` says which time it is."""

    asked_as: str
    cases: Sequence[CalibrationCase]

    @property
    def key(self) -> tuple[str, ...]:
        """The identity of this question within the set."""
        return (self.asked_as, *(case.id for case in self.cases))


def own_calibration_files(catalogue: Catalogue) -> list[Path]:
    """Return the calibration sets of installed domains, by name of the domain. Raises UsageError if there is none."""
    folders = [locate(domain)[1] for domain in sorted(catalogue.domains(), key=lambda domain: domain.name)]
    files = [folder / OWN_SET for folder in folders if (folder / OWN_SET).is_file()]
    if not files:
        raise UsageError(f"no installed domain brings labelled cases ({OWN_SET} in its folder); give yours with --set")
    return files


def refuse_unknown_places(cases: CalibrationSet, catalogue: Catalogue) -> None:
    """Refuse cases of a domain that is not installed, or of a task that it does not have. Raises DatasetError."""
    domains = list(catalogue.domain_names())
    tasks: dict[str, set[str]] = {}
    for case in cases.cases:
        place = cases.places[case.id]
        if case.domain not in domains:
            hint = did_you_mean(case.domain, domains)
            raise DatasetError(f"{place}: no domain {case.domain!r} is installed ({hint}); install it, or use --pack")
        if case.task is None:
            continue
        if case.domain not in tasks:
            tasks[case.domain] = set(load_setting(catalogue, case.domain).tasks())
        if case.task not in tasks[case.domain]:
            hint = did_you_mean(case.task, tasks[case.domain])
            raise DatasetError(f"{place}: {case.domain} has no task {case.task!r} ({hint})")


def questions(cases: Iterable[CalibrationCase], repeats: int) -> Iterator[Question]:
    """Yield all questions: each `repeats` times as it stands, and once with its statements in reverse.

    At most `AT_ONCE` statements are asked together. Neighbours in the set, which are often variants of one statement,
    go to different questions, so that none gives the answer to the other.
    """
    by_conversation: dict[str, list[CalibrationCase]] = defaultdict(list)
    for case in cases:
        by_conversation[case.conversation_key].append(case)
    groups = []
    for found in by_conversation.values():
        number = -(-len(found) // AT_ONCE)
        groups += [found[start::number] for start in range(number)]
    for time in range(1, repeats + 1):
        yield from (Question(str(time), group) for group in groups)
    yield from (Question(REVERSED, group[::-1]) for group in groups if len(group) > 1)


async def calibrate(
    panel: Panel,
    cases: CalibrationSet,
    answers: AnswersFile,
    *,
    repeats: int,
    concurrency: int,
    on_done: Callable[[], None] = lambda: None,
) -> JudgeCalibration:
    """Ask the judge the open questions, and return its calibration. Each answer is stored when it arrives.

    Raises RunError if the judge cannot be asked at all.
    """
    asked = list(questions(cases.cases, repeats))
    missing = iter([each for each in asked if each.key not in answers.known])

    async def ask(question: Question) -> None:
        answers.keep(await _ask(panel, question))
        refused = [member.refused() for member in panel.members if member.refused()]
        if refused:
            raise RunError(f"{refused[0]}; what was answered is kept in {answers.file}")
        on_done()

    for first in islice(missing, 1):  # alone, so that an unusable model costs one request
        await ask(first)
    await for_each(missing, concurrency, ask)
    return figures(panel, cases, answers.known, asked, repeats)


async def _ask(panel: Panel, question: Question) -> JudgeAnswer:
    first = question.cases[0]
    statements = [case.assertion for case in question.cases]
    said = await panel.decide(f"{first.id}/{question.asked_as}", first.conversation, statements)
    return JudgeAnswer(
        asked_as=question.asked_as,
        cases=[case.id for case in question.cases],
        met=[each.met for each in said.statements],
        reasons=[each.reason for each in said.statements],
        error=said.error,
        usage=said.usage,
    )


def figures(
    panel: Panel,
    cases: CalibrationSet,
    answers: Mapping[tuple[str, ...], JudgeAnswer],
    asked: Iterable[Question],
    repeats: int,
) -> JudgeCalibration:
    """Return the calibration from the answers. All figures except the agreement use the first repetition only."""
    said: dict[str, dict[str, tuple[bool, str]]] = defaultdict(dict)
    unusable: Counter[str] = Counter()
    usage = Usage.nothing()
    for question in asked:
        answer = answers[question.key]
        usage.add(answer.usage)
        if question.asked_as == "1" and answer.error:
            unusable[answer.error] += len(question.cases)
        for case_id, met, reason in zip(answer.cases, answer.met, answer.reasons, strict=False):
            said[question.asked_as][case_id] = met, reason
    first = {case_id: met for case_id, (met, _) in said["1"].items()}
    wrong = [case for case in cases.cases if case.id in first and first[case.id] != case.label]
    holding = [case for case in cases.cases if case.label and case.id in first]
    others = [case for case in cases.cases if not case.label and case.id in first]
    again = [{case_id: met for case_id, (met, _) in said[str(time)].items()} for time in range(2, repeats + 1)]
    order = {case_id: met for case_id, (met, _) in said[REVERSED].items()}
    return JudgeCalibration(
        judge=panel.identity,
        set_digest=cases.digest,
        files=sorted({Path(place.rpartition(":")[0]).name for place in cases.places.values()}),
        cases=len(cases.cases),
        unreadable=unusable.total(),
        unreadable_answers=dict(sorted(unusable.items())),
        accuracy=_rate(len(first) - len(wrong), len(cases.cases)),
        false_pass=_rate(sum(not case.label for case in wrong), len(others)),
        false_fail=_rate(sum(case.label for case in wrong), len(holding)),
        kinds={kind: _part(part, first) for kind in KINDS if (part := [c for c in cases.cases if c.kind == kind])},
        domains={
            domain: _part([case for case in cases.cases if case.domain == domain], first)
            for domain in sorted({case.domain for case in cases.cases})
        },
        lengths=_lengths(cases.cases, first),
        repeats=repeats,
        repeat_agreement=_agreement(first, again) if again else None,
        order_agreement=_agreement(first, [order]) if order else None,
        wrong=[WrongCase(id=c.id, kind=c.kind, label=c.label, reason=said["1"][c.id][1]) for c in wrong],
        usage=usage,
    )


def _rate(count: int, size: int) -> CountedRate:
    return CountedRate(count=count, of=size, rate=exact_rate(count, size))


def _part(cases: Sequence[CalibrationCase], first: Mapping[str, bool]) -> Part:
    right = sum(first.get(case.id) == case.label for case in cases)
    return Part(right=_rate(right, len(cases)), unreadable=sum(case.id not in first for case in cases))


def _agreement(first: Mapping[str, bool], others: Sequence[Mapping[str, bool]]) -> CountedRate:
    """Count the cases that were decided alike, of those that were decided each time."""
    both = [case_id for case_id in first if all(case_id in other for other in others)]
    return _rate(sum(all(other[each] == first[each] for other in others) for each in both), len(both))


def _lengths(cases: Sequence[CalibrationCase], first: Mapping[str, bool]) -> list[LengthPart]:
    """Return the figures of groups of equal size, by length of the transcript; equal lengths stay together."""
    lengths = {case.conversation_key: 0 for case in cases}
    for case in cases:
        lengths[case.conversation_key] = lengths[case.conversation_key] or len(transcript(case.conversation))
    ordered = sorted(lengths[case.conversation_key] for case in cases)
    ends = sorted(
        {ordered[len(ordered) * part // LENGTHS - 1] for part in range(1, LENGTHS + 1) if len(ordered) >= part}
    )
    found, before = [], -1
    for end in ends:
        part = [case for case in cases if before < lengths[case.conversation_key] <= end]
        shortest = min(lengths[case.conversation_key] for case in part)
        found.append(LengthPart(shortest=shortest, longest=end, **_part(part, first).model_dump()))
        before = end
    return found
