"""How far people who labelled a run agree with its verdicts, its judge, its detectors, and one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tau2_core.errors import MissingExtraError
from tau2_core.model.episodes import Slot
from tau2_core.model.evaluation import Grade, Judgement, Status
from tau2_core.model.user_review import worst_fault
from tau2_core.records.customer_reviews import read_reviews
from tau2_core.records.labels import VALUES, About, LabelFile, Labelled, LabelValue, Question
from tau2_core.records.reader import RecordedRun

UNNAMED = "unnamed"  # the annotator whose labels have no name
DETECTORS = "detectors"


class PairAgreement(BaseModel):
    """How far two raters agree on the questions that both answered.

    Attributes:
        about: what they decided about.
        name: the criterion; "" for all assertions together, and for the customer.
        first: the annotator.
        second: another annotator, the evaluator set, the judge (each of several, and all together), `detectors` with a
            model that reviews customers, or that model alone.
        items: the questions that both answered.
        agreed: the share of them with the same answer.
        kappa: Cohen's kappa; None if chance alone gives full agreement, as where both always give one answer.
        counts: how often each pair of answers occurs, as `first/second`.
    """

    model_config = ConfigDict(extra="forbid")

    about: About
    name: str
    first: str
    second: str
    items: int
    agreed: float
    kappa: float | None
    counts: dict[str, int]


class Reliability(BaseModel):
    """Krippendorff's alpha of all annotators on the `items` that at least two of them labelled; None if undefined."""

    model_config = ConfigDict(extra="forbid")

    about: About
    name: str
    annotators: int
    items: int
    alpha: float | None


class ConfirmedDetector(BaseModel):
    """The labelled episodes in which a detector found something, and how many of them were labelled faulty."""

    model_config = ConfigDict(extra="forbid")

    detector: str
    annotator: str
    found: int
    confirmed: int


class LabelReport(BaseModel):
    """All agreement on a run. `lacking` says what to install for missing figures, "" if there are none."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[str, int]
    pairs: list[PairAgreement] = Field(default_factory=list)
    reliability: list[Reliability] = Field(default_factory=list)
    detectors: list[ConfirmedDetector] = Field(default_factory=list)
    lacking: str = ""


def label_report(run: RecordedRun, labels: LabelFile) -> LabelReport:
    """Return how far the annotators of a run agree with the run and with one another."""
    named = sorted(labels.by_annotator.items(), key=lambda each: (not each[0], each[0]))
    people = {name or UNNAMED: given for name, given in named}
    report = LabelReport(labels={name: len(given) for name, given in people.items()})
    slots = {slot for given in people.values() for slot, _ in given}
    machine = _Decisions()
    for slot in run.grades:
        if slot in slots:
            machine.add(run.grades[slot], run.judgements.get(slot))
    for slot, review in read_reviews(run.folder).items():
        if slot in slots and not review.error:
            machine.note(review.model, slot, Question("customer_fault", ""), worst_fault(review.findings))
    raters = [*people.items()]
    for name, given in raters:
        for other, decided in machine.by_rater.items():
            report.pairs += _agreements(name, given, other, decided)
        report.detectors += _confirmed(name, given, machine.found)
    for (name, given), (other, also) in combinations(raters, 2):
        report.pairs += _agreements(name, given, other, also)
    if len(raters) > 1:
        try:
            report.reliability = list(_reliability(list(people.values())))
        except MissingExtraError as error:
            report.lacking = str(error)
    return report


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa (Educational and Psychological Measurement 20, 1960) of pairs of answers.

    It is (p - e) / (1 - e), for the share p of equal answers, and the share e that is expected if each rater gave its
    answers at random with its own frequencies. None if e is 1.
    """
    total = len(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    by_chance = sum(first[value] * second[value] for value in first)
    if by_chance == total * total:
        return None
    same = sum(one == two for one, two in pairs)
    return (same * total - by_chance) / (total * total - by_chance)


def krippendorffs_alpha(answers: Sequence[Counter[LabelValue]], about: About) -> float | None:
    """Return Krippendorff's alpha of answers counted question by question; None if all are the same.

    Faults of customers are ordered (none, minor, decisive), so there a pair that is further apart counts more.
    Raises MissingExtraError without the library.
    """
    try:
        import krippendorff
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("figures of Krippendorff's alpha", "krippendorff", "stats") from error

    used = [value for value in VALUES[about] if any(each[value] for each in answers)]
    if len(used) < 2:
        return None
    counts = np.array([[each[value] for value in used] for each in answers])
    level: Literal["ordinal", "nominal"] = "ordinal" if about == "customer_fault" else "nominal"
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement=level))


@dataclass
class _Decisions:
    """What evaluators, judges and detectors decided, in the form of labels, and what each detector found."""

    by_rater: dict[str, dict[tuple[Slot, Question], LabelValue]] = field(default_factory=dict)
    found: dict[Slot, set[str]] = field(default_factory=dict)

    def add(self, grade: Grade, judgement: Judgement | None) -> None:
        slot = Slot(grade.task_id, grade.trial)
        for name, verdict in grade.verdicts.items():
            if verdict.status is Status.GRADED:
                self.note(grade.evaluators, slot, Question("criterion", name), _met(verdict.met))
        if judgement is not None and not judgement.error:
            for each in judgement.statements:
                self.note(judgement.model, slot, Question("assertion", each.statement), _met(each.met))
            for vote in judgement.votes:
                for each in vote.statements:
                    self.note(vote.model, slot, Question("assertion", each.statement), _met(each.met))
        if grade.user_review is not None:
            self.note(DETECTORS, slot, Question("customer_fault", ""), grade.user_review.customer_fault)
            self.found[slot] = {finding.detector for finding in grade.user_review.findings}

    def note(self, rater: str, slot: Slot, question: Question, answer: LabelValue) -> None:
        """Keep what a rater decided."""
        self.by_rater.setdefault(rater, {})[slot, question] = answer


def _met(met: bool) -> LabelValue:
    return "met" if met else "unmet"


def _group(question: Question) -> tuple[About, str]:
    """Return which figures a question belongs to: those of its criterion, of all assertions, or of the customer."""
    return question.about, question.name if question.about == "criterion" else ""


def _agreements(first: str, one: Labelled, second: str, two: Labelled) -> Iterator[PairAgreement]:
    groups: dict[tuple[About, str], list[tuple[str, str]]] = {}
    for key, answer in one.items():
        if key in two:
            groups.setdefault(_group(key[1]), []).append((answer, two[key]))
    for (about, name), pairs in sorted(groups.items()):
        counts = Counter(f"{one}/{two}" for one, two in pairs)
        yield PairAgreement(
            about=about,
            name=name,
            first=first,
            second=second,
            items=len(pairs),
            agreed=sum(one == two for one, two in pairs) / len(pairs),
            kappa=cohens_kappa(pairs),
            counts=dict(sorted(counts.items())),
        )


def _reliability(people: Sequence[Labelled]) -> Iterator[Reliability]:
    answers: dict[tuple[Slot, Question], Counter[LabelValue]] = {}
    for given in people:
        for key, answer in given.items():
            answers.setdefault(key, Counter())[answer] += 1
    groups: dict[tuple[About, str], list[tuple[Slot, Question]]] = {}
    for key, given_answers in answers.items():
        if given_answers.total() > 1:
            groups.setdefault(_group(key[1]), []).append(key)
    for (about, name), keys in sorted(groups.items()):
        alpha = krippendorffs_alpha([answers[key] for key in keys], about)
        annotators = sum(any(key in given for key in keys) for given in people)
        yield Reliability(about=about, name=name, annotators=annotators, items=len(keys), alpha=alpha)


def _confirmed(annotator: str, given: Labelled, found: Mapping[Slot, Iterable[str]]) -> Iterator[ConfirmedDetector]:
    every, right = Counter[str](), Counter[str]()
    for (slot, question), answer in given.items():
        if question.about == "customer_fault":
            every.update(found.get(slot, ()))
            right.update(found.get(slot, ()) if answer != "none" else ())
    for detector, number in sorted(every.items()):
        yield ConfirmedDetector(detector=detector, annotator=annotator, found=number, confirmed=right[detector])
