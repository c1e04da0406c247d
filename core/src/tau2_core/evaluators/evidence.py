"""The evidence of one episode: its states, computed when an evaluator first needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import Mismatch, set_state
from tau2_core.errors import TaskError
from tau2_core.evaluators.semantic_comparison import ComparisonRules, semantic_differences
from tau2_core.foreign_code import ForeignExit, describe_error
from tau2_core.model.episodes import EpisodeRecord
from tau2_core.model.evaluation import AssertionResult, Check, Judgement, State
from tau2_core.model.messages import ToolCall
from tau2_core.model.policy_rules import PolicyRule
from tau2_core.model.tasks import Action, Task
from tau2_core.model.tools import Role, Tool, ToolResult
from tau2_core.state.difference import Change, world_changes
from tau2_core.state.world import World


@dataclass(frozen=True)
class Gold:
    """The environment after a task's gold calls, and the failed calls as (action, error)."""

    environment: Environment
    failures: Sequence[tuple[Action, str]]

    @cached_property
    def digests(self) -> dict[str, str]:
        """Each side's digest; the environment does not change any more."""
        return self.environment.digests()


def play_gold(setting: Setting, task: Task, seed: int = 0) -> Gold:
    """Bring a new environment, never solo, to the gold state; failures are kept (spec/environment.md, 11)."""
    environment = Environment(setting, seed=seed, solo=False, task=task)
    set_state(environment, task.initial_state, task.history())
    failures: list[tuple[Action, str]] = []
    for action in task.gold():
        call = ToolCall(name=action.name, arguments=action.arguments, requestor=action.requestor)
        try:
            environment.run(call)
        except ForeignExit as error:  # not a tool error; skipping it would pass an agent that makes the same call
            raise TaskError(f"gold call {action.text()} cannot be made: {describe_error(error)}") from error
        except Exception as error:  # noqa: BLE001 - by rule a failing gold call is skipped; its effects stay
            failures.append((action, describe_error(error)))
    return Gold(environment, failures)


@dataclass(eq=False)
class ReplayedEvidence:
    """The evidence from a record, re-enacted in new environments."""

    setting: Setting
    task: Task
    record: EpisodeRecord
    judgement: Judgement | None = None
    known_gold: dict[tuple[str, int | None], Gold] = field(default_factory=dict)
    mismatches: list[Mismatch] = field(default_factory=list)

    @cached_property
    def predicted(self) -> Environment:
        """The environment after the conversation. Raises TaskError if the record's calls and results do not pair."""
        environment = Environment(self.setting, seed=self.record.seed, solo=self.record.solo, task=self.task)
        self.mismatches = set_state(environment, self.task.initial_state, self.record.messages)
        return environment

    @cached_property
    def predicted_digests(self) -> dict[str, str]:
        """Each side's digest after the conversation."""
        return self.predicted.digests()

    @cached_property
    def start(self) -> Environment:
        """The environment in the task's start state."""
        environment = Environment(self.setting, seed=self.record.seed, solo=False, task=self.task)
        set_state(environment, self.task.initial_state, self.task.history())
        return environment

    @property
    def roles(self) -> Sequence[Role]:
        """The sides that have a database of their own."""
        return self.setting.pack.database_roles

    @property
    def rules(self) -> Sequence[PolicyRule]:
        """The policy rules that the pack declares; none with a dataset, which has a policy of its own."""
        return [] if self.setting.dataset else self.setting.pack.rules

    @property
    def bookkeeping(self) -> Sequence[str]:
        """Path patterns of records that note what the agent did."""
        return self.setting.pack.manifest.evaluation.bookkeeping

    @property
    def failed_gold(self) -> Sequence[Action]:
        """The gold calls that fail."""
        return [action for action, _why in self.gold.failures]

    def tools(self, role: Role) -> Mapping[str, Tool]:
        """Return a side's tools by name."""
        return self.setting.known_tools(role)

    def database(self, state: State, role: Role = "agent") -> dict[str, Any]:
        """Return a copy of a side's database in a state, as JSON values."""
        return self._world(state, role).plain()

    def differences(
        self, old: State, new: State, role: Role, *, unordered: Sequence[str] = (), ignored: Sequence[str] = ()
    ) -> list[Change]:
        """Return where two states of a side's database differ in meaning."""
        declared = self.setting.pack.manifest.evaluation
        meaning = ComparisonRules([*declared.unordered, *unordered], [*declared.ignored, *ignored])
        return semantic_differences(self._world(old, role), self._world(new, role), meaning)

    def answer_at_start(self, call: ToolCall) -> ToolResult:
        """Return the result of a read-only call in the start state."""
        return self.start.call(call)

    def _world(self, state: State, role: Role) -> World:
        if state == "gold":
            return self.gold.environment.worlds[role]
        return (self.start if state == "start" else self.predicted).worlds[role]

    @property
    def gold(self) -> Gold:
        any_seed, own_seed = (self.task.id, None), (self.task.id, self.record.seed)
        known = self.known_gold.get(any_seed) or self.known_gold.get(own_seed)
        if known is None:
            known = play_gold(self.setting, self.task, self.record.seed)
            self.known_gold[own_seed if known.environment.context.has_drawn else any_seed] = known
        return known

    def database_differences(self) -> dict[str, list[Change]]:
        """Return, by role, where the end state (new) differs from the gold state (old)."""
        found: dict[str, list[Change]] = {}
        gold = self.gold
        for role in self.roles:
            expected, actual = gold.environment.worlds[role], self.predicted.worlds[role]
            same = expected.base is actual.base and gold.digests[role] == self.predicted_digests[role]
            found[role] = [] if same else world_changes(expected, actual)
        return found

    def live_checks(self) -> list[Check]:
        """Compare, by role, the live end state with the re-enacted one, if the record has digests."""
        replayed, wanted = self.predicted_digests, self.gold.digests
        checks = []
        for role, live in sorted(self.record.digests.items()):
            same = live == replayed.get(role)
            likeness = "like" if live == wanted.get(role) else "unlike"
            why = f"the live state differs from the replayed one, and is {likeness} the gold state"
            digests = {"live": live, "replayed": replayed.get(role), "gold": wanted.get(role)}
            what = f"{role} database: live state equals replayed state"
            checks.append(Check(what=what, met=same, why="" if same else why, evidence=[] if same else [digests]))
        return checks

    def assertion_results(self) -> list[AssertionResult]:
        """Run the task's assertions on the end state, in order. Raising is distinguished from not being met."""
        criteria = self.task.evaluation_criteria
        results = []
        for assertion in (criteria.env_assertions if criteria else None) or []:
            environment = self.predicted
            try:
                results.append(AssertionResult(assertion=assertion, met=environment.holds(assertion)))
            except Exception as error:  # noqa: BLE001 - an assertion may raise anything; it is evidence
                results.append(AssertionResult(assertion=assertion, met=None, error=describe_error(error)))
        return results
