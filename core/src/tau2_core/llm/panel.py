"""One or several judges that decide together: each is asked separately, and a rule combines their votes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Self

from tau2_core.llm.judge import QUESTION, SCHEMA, judge, probe
from tau2_core.llm.model import RoleModel
from tau2_core.llm.prompts import template
from tau2_core.model.episodes import Usage
from tau2_core.model.evaluation import JudgedStatement, Judgement, Vote
from tau2_core.model.judges import JudgeIdentity, JudgeModel, JudgeRule, decided
from tau2_core.model.llm import JUDGES, ModelRole
from tau2_core.model.messages import Message


class Panel:
    """The judges of a run. One judge decides alone; several vote on each statement, and `rule` combines the votes."""

    def __init__(self, members: Sequence[RoleModel], rule: JudgeRule = "majority") -> None:
        self.members = members
        self.rule = rule

    @classmethod
    def of(cls, role_models: Mapping[ModelRole, RoleModel], rule: JudgeRule = "majority") -> Self | None:
        """Return the judges among the models of a run, None if there is none."""
        members = [role_models[role] for role in JUDGES if role in role_models]
        return cls(members, rule) if members else None

    @cached_property
    def identity(self) -> JudgeIdentity:
        """The identity of these judges, which differs from that of any others."""
        settings = [member.settings for member in self.members]
        models = [JudgeModel(model=each.model, args=each.deciding_args()) for each in settings]
        return JudgeIdentity(models=models, rule=self.rule if len(models) > 1 else None, prompt=prompt_digest())

    @cached_property
    def name(self) -> str:
        """The name of the judge's model, or of several with their rule."""
        return self.identity.name

    async def probe(self) -> str:
        """Let each judge decide a simple statement; return the error of the first that cannot, "" if all can."""
        for member in self.members:
            wrong = await probe(member.model_for("probe"))
            if wrong:
                return member.refused() or f"the judge {member.settings.model!r} is not usable: {wrong}"
        return ""

    async def decide(self, episode: str, messages: Sequence[Message], statements: Sequence[str]) -> Judgement:
        """Decide statements about a conversation; failures are in the judgement. `episode` names it in a cassette."""
        votes = await asyncio.gather(*(self._vote(member, episode, messages, statements) for member in self.members))
        found = self._alone(votes[0]) if len(votes) == 1 else self._together(votes, statements)
        found.model, found.judge = self.name, self.identity.digest
        return found

    async def _vote(
        self, member: RoleModel, episode: str, messages: Sequence[Message], statements: Sequence[str]
    ) -> Vote:
        model = member.model_for(episode)
        said = await judge(model, messages, statements)
        return Vote(model=member.settings.model, statements=said.statements, error=said.error, usage=model.usage)

    @staticmethod
    def _alone(vote: Vote) -> Judgement:
        return Judgement(statements=vote.statements, error=vote.error, usage=vote.usage)

    def _together(self, votes: Sequence[Vote], statements: Sequence[str]) -> Judgement:
        usage = Usage.nothing()
        for vote in votes:
            usage.add(vote.usage)
        found = Judgement(votes=list(votes), usage=usage)
        for number, statement in enumerate(statements):
            said = [None if vote.error else vote.statements[number].met for vote in votes]
            met = decided(said, self.rule)
            if met is None:
                failed = "; ".join(f"{vote.model}: {vote.error}" for vote in votes if vote.error)
                found.statements, found.error = [], f"too few judges answered to decide: {failed}"
                return found
            yes = sum(vote is True for vote in said)
            reason = f"{yes} of {len(votes)} judges: " + " | ".join(
                f"{vote.model}: {vote.statements[number].reason}" for vote in votes if not vote.error
            )
            found.statements.append(JudgedStatement(statement=statement, met=met, reason=reason))
        return found


def prompt_digest() -> str:
    """Return a digest of a judge's prompt, without the conversation and the statements."""
    content = [template("judge"), QUESTION, json.dumps(SCHEMA, sort_keys=True)]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()
