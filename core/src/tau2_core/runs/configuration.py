"""The resolved configuration of a run, with digests of all content that affects its results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tau2_core.episode.customer_settings import CustomerSettings
from tau2_core.episode.setting import Setting
from tau2_core.llm.model import RoleModel
from tau2_core.llm.prompts import template
from tau2_core.model.llm import ModelRole
from tau2_core.model.tasks import Task
from tau2_core.packs.customers import CORE_FOLDER
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.records.journal import FORMAT
from tau2_core.runs.code_files import core_digest
from tau2_core.runs.digests import content_digests, pack_files, plugin_digests, text_digest, versions
from tau2_core.runs.plan import Plan


def configuration(plan: Plan, catalogue: Catalogue) -> dict[str, Any]:
    """Return the resolved configuration of a run, with digests of all content that affects its results."""
    setting, participants = plan.setting, plan.participants
    dataset, files, panel = setting.dataset, pack_files(setting.pack), participants.panel
    return {
        "format": FORMAT,
        "domain": setting.domain,
        "variant": setting.variant,
        "variant_options": setting.options,
        "solo": setting.solo,
        "mode": setting.mode,
        "agent": {
            "name": participants.agent.name,
            "sees_gold": participants.agent.sees_gold,
            "user_first": participants.user_first,
        },
        "user": {
            "name": participants.user.name,
            "sees_gold": participants.user.sees_gold,
            **(_customers(participants.customers) if participants.user.follows_prompt else {}),
        },
        "models": {role: _model(role_model) for role, role_model in sorted(participants.role_models.items())},
        **({"judge_rule": panel.rule} if panel is not None and len(panel.members) > 1 else {}),
        "faults": list(plan.faults),
        "limits": {
            "max_steps": participants.limits.max_steps,
            "max_errors": participants.limits.max_errors,
            "timeout_seconds": participants.limits.timeout_seconds,
        },
        "dataset": {"adapter": dataset.adapter, "folder": str(dataset.root)} if dataset else None,
        "origins": setting.origins() | _origin_of_guidelines(plan),
        "split": plan.split,
        "tasks": [task.id for task in plan.tasks],
        "trials": plan.trials,
        "seed": plan.seed,
        "seeds": plan.seeds(),
        "versions": versions(files),
        "plugins": _plugins(plan, catalogue),
        "evaluators": plan.evaluators,
        "judge_all": plan.judge_all,
        "digests": {
            "core": core_digest(),
            **content_digests(setting, files),
            "plugins": plugin_digests(plan),
            "policy": text_digest(setting.policy_text),
            "policies": own_policies(setting, plan.tasks),
            "opening": text_digest(setting.opening()),
            "tasks": text_digest(json.dumps([task.model_dump(mode="json") for task in plan.tasks], sort_keys=True)),
            "prompts": {
                role: _prompt_digest(plan, role) for role in sorted(participants.role_models) if role != "embedding"
            },
        },
    }


def _customers(customers: CustomerSettings) -> dict[str, Any]:
    return {
        "prompt": customers.prompt_name,
        "personas": [persona.name for persona in customers.personas],
        "check": customers.detectors is not None,
    }


def _origin_of_guidelines(plan: Plan) -> dict[str, str]:
    """Return where the customer's prompt comes from if it is not the one of the dataset, {} without a dataset."""
    chosen = plan.participants.customers.prompt
    if chosen is None or plan.setting.dataset is None:
        return {}
    return {"user_guidelines": "core" if chosen.folder == CORE_FOLDER else "pack"}


def _prompt_digest(plan: Plan, role: ModelRole) -> str:
    """Return the digest of a role's prompt: of the chosen variant of a customer's, else of the core's template."""
    setting = plan.setting
    chosen = plan.participants.customers.digest(setting.pack, setting.tools("user")) if role == "user" else None
    return chosen or text_digest(template(role))


def own_policies(setting: Setting, tasks: Iterable[Task]) -> dict[str, str]:
    """Return, by task, digests of policies that contain documents required by the task; others are left out."""
    texts = {task.id: setting.policy_for(task) for task in tasks if task.required_documents}
    return {task_id: text_digest(text) for task_id, text in texts.items() if text != setting.policy_text}


def _plugins(plan: Plan, catalogue: Catalogue) -> dict[str, str | None]:
    """Return the plugins that take part, with the distribution and version of each."""
    setting, participants = plan.setting, plan.participants
    named = [("domain", setting.domain), _agent(participants.agent.name), ("user", participants.user.name)]
    searches = [tool.search.retriever for tool in setting.tools("agent").values() if tool.search is not None]
    named += [("retriever", name) for name in searches]
    named += [("fault", text.partition("=")[0]) for text in plan.faults]
    named += [("adapter", setting.dataset.adapter)] if setting.dataset else []
    named += [("evaluator", spec.name) for spec in (plan.evaluator_set.specs.values() if plan.evaluator_set else ())]
    return catalogue.taking_part(named, setting.domain)


def _model(role_model: RoleModel) -> dict[str, Any]:
    """Return a model's entry without secrets. `takes_seed` is null if that is unknown.

    `replayed` is present, and true, if a cassette answers.
    """
    settings = role_model.settings
    known: dict[str, Any] = {"model": settings.model, "args": settings.public_args(), "carry": settings.carry}
    if settings.from_dataset:
        known["from_dataset"] = settings.from_dataset
    if role_model.client is None:
        known["replayed"] = True
    if role_model.token_traces:
        known["token_traces"] = True
    return {**known, "takes_seed": role_model.client.takes_seed() if role_model.client else None}


def _agent(name: str) -> tuple[str, str]:
    """Return the key under which a plugin provides an agent: its name, or the kind of agent."""
    kind, colon, _ = name.partition(":")
    return ("agent-kind", kind) if colon else ("agent", name)
