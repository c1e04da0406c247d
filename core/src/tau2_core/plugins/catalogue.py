"""The catalogue: everything that plugins provide, by kind and name, with its origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy

from tau2_core.errors import PackError, PluginError, Problem, Tau2GymError, UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.lazy import loaded
from tau2_core.model.registrations import (
    AdapterSpec,
    AgentKind,
    AgentSpec,
    CommandSpec,
    Detect,
    DetectorSpec,
    Domain,
    EvaluatorSpec,
    ExecutorSpec,
    ExporterSpec,
    FaultSpec,
    ObserverSpec,
    PageSpec,
    RetrieverSpec,
    SearchParts,
    Toolset,
    UserSpec,
)
from tau2_core.name_suggestions import did_you_mean
from tau2_core.plugins.hook_functions import Wrapper, listener_of, wrapper_of
from tau2_core.plugins.plugin import Plugin
from tau2_core.problem_kinds import ProblemKind

# Names that our optional packages add.
PACKAGES: Mapping[str, str] = {
    f"exporter:{name}": f"; `pip install tau2-gym-{package}` adds it"
    for name, package in (("eval-protocol", "eval-protocol"), ("inspect", "inspect"), ("otlp", "opentelemetry"))
}
RUN_HOOKS = (
    "tau2_tool_call",
    "tau2_run_started",
    "tau2_run_finished",
    "tau2_episode_started",
    "tau2_episode_finished",
)


class Catalogue:
    """All plugins of a process. Resolves names; errors suggest a similar name, or name both packages of a conflict."""

    def __init__(self, manager: pluggy.PluginManager, plugins: list[Plugin]) -> None:
        self.plugins = plugins
        self._manager = manager

    def domain(self, name: str) -> Domain:
        found: Domain = self._get("domain", name)
        return found

    def agent(self, name: str) -> AgentSpec:
        """Return an agent by its name, or by a kind and a target, `KIND:TARGET`. Raises UsageError, PluginError."""
        kind, colon, target = name.partition(":")
        if colon:
            return self._agent_of_kind(self._get("agent-kind", kind), target)
        if any(each.name == name for each in self._all("agent-kind")):
            raise UsageError(f"agent {name!r} needs a target: --agent {name}:{self._get('agent-kind', name).target}")
        found: AgentSpec = self._get("agent", name)
        return found

    @staticmethod
    def _agent_of_kind(kind: AgentKind, target: str) -> AgentSpec:
        if not target:
            raise UsageError(f"agent {kind.name!r} needs a target: --agent {kind.name}:{kind.target}")
        try:
            with foreign(f"agent kind {kind.name}"):
                spec = loaded(kind.spec)(target)
        except Tau2GymError:
            raise
        except Exception as error:
            raise PluginError(f"--agent {kind.name}:{target}: {describe_error(error)}") from error
        return replace(spec, name=f"{kind.name}:{target}")

    def user(self, name: str) -> UserSpec:
        found: UserSpec = self._get("user", name)
        return found

    def fault(self, name: str) -> FaultSpec:
        found: FaultSpec = self._get("fault", name)
        return found

    def executor(self, name: str) -> ExecutorSpec:
        found: ExecutorSpec = self._get("executor", name)
        return found

    def command(self, name: str) -> CommandSpec:
        found: CommandSpec = self._get("command", name)
        return found

    def commands(self) -> list[CommandSpec]:
        return self._all("command")

    def pages(self) -> list[PageSpec]:
        return self._all("page")

    def observers(self) -> list[ObserverSpec]:
        """Return the observers of episodes. Raises UsageError if two have the same name."""
        return [self._get("observer", each.name) for each in self._all("observer")]

    def exporter(self, name: str) -> ExporterSpec:
        found: ExporterSpec = self._get("exporter", name)
        return found

    def retriever(self, name: str) -> RetrieverSpec:
        found: RetrieverSpec = self._get("retriever", name)
        return found

    def draft_detectors(self) -> dict[str, Detect]:
        """Return the functions of the detectors by name, for the check of drafts. Raises UsageError, PluginError."""
        return {name: loaded(spec.detect) for name, spec in self.detectors().items()}

    def detectors(self) -> dict[str, DetectorSpec]:
        """Return the detectors of faults of a simulated customer by name. Raises UsageError if two have the same."""
        return {name: self._get("detector", name) for name in [each.name for each in self._all("detector")]}

    def domains(self) -> list[Domain]:
        return self._all("domain")

    def domain_names(self) -> list[str]:
        """Return the names of all domains, each once.

        Raises UsageError if there is none, PackError if there is none and a plugin is broken.
        """
        names = list(dict.fromkeys(domain.name for domain in self.domains()))
        if not names and self.broken():
            raise PackError(self.broken())
        if not names:
            blocked = [plugin.name for plugin in self.plugins if plugin.status == "blocked"]
            advice = f"unblock one of {', '.join(blocked)}, install a pack" if blocked else "install a pack"
            raise UsageError(f"no domain is installed; {advice}, or name its folder with --pack")
        return names

    def broken(self) -> list[Problem]:
        """Return the problem of each broken plugin."""
        return [
            Problem(
                plugin.name,
                ProblemKind.PLUGIN,
                plugin.file or Path(plugin.target),
                f"the plugin is broken: {plugin.cause}",
                plugin.line,
                f"fix or reinstall {plugin.origin}, or block it with --no-plugin {plugin.name}",
            )
            for plugin in self.plugins
            if plugin.status == "broken"
        ]

    def unknown_because_broken(self) -> str:
        """Return extra lines for an error about an unknown name, which a broken plugin may provide."""
        return "".join(f"\nit may come from a broken plugin: {problem}" for problem in self.broken())

    def adapters(self) -> list[AdapterSpec]:
        return self._all("adapter")

    def toolsets(self, domain: str) -> list[Toolset]:
        """Return the tools that other packages add to a domain."""
        return [toolset for toolset in self._all("toolset") if toolset.domain == domain]

    def evaluators(self, set_name: str) -> dict[str, EvaluatorSpec]:
        """Return a set's evaluators by criterion. Raises UsageError for an unknown set or two for one criterion."""
        specs = [(spec, plugin) for spec, plugin in self._attributed("evaluator") if spec.set == set_name]
        if not specs:
            sets = {spec.set for spec, _ in self._attributed("evaluator")}
            more = self.unknown_because_broken()
            raise UsageError(f"no evaluator set {set_name!r} ({did_you_mean(set_name, sets)}){more}")
        chosen: dict[str, tuple[EvaluatorSpec, Plugin]] = {}
        for spec, plugin in specs:
            if spec.criterion in chosen:
                other = chosen[spec.criterion][1].origin
                raise UsageError(
                    f"set {set_name!r}: {spec.criterion} comes from {other} and from {plugin.origin}; block one of them"
                )
            chosen[spec.criterion] = (spec, plugin)
        return {criterion: spec for criterion, (spec, _) in chosen.items()}

    def retrievers(self) -> dict[str, RetrieverSpec]:
        """Return the retrievers by name. Raises UsageError if two plugins provide the same."""
        return {name: self.retriever(name) for name in {each.name for each in self._all("retriever")}}

    def search_parts(self) -> SearchParts:
        """Return the parts from which search tools are made. Raises UsageError if two plugins provide the same."""
        sandboxes = {name: self._get("sandbox", name) for name in {each.name for each in self._all("sandbox")}}
        return SearchParts(self.retrievers(), sandboxes)

    def all_evaluators(self) -> list[EvaluatorSpec]:
        """Return the evaluators of all sets."""
        return self._all("evaluator")

    def origin(self, kind: str, name: str) -> str:
        """Return the distribution or folder that provides something."""
        return next((plugin.origin for record, plugin in self._attributed(kind) if record.name == name), "")

    def taking_part(self, named: Iterable[tuple[str, str]], domain: str) -> dict[str, str | None]:
        """Return the plugins that take part in a run, by name, with the distribution and version of each.

        They are the plugins that provide something `named` (kind and name) or a toolset of the domain, and those with
        a hook that is called during a run. A plugin that is not installed has no distribution.
        """
        wanted = {*named, *(("toolset", toolset.name) for toolset in self.toolsets(domain))}
        found = [
            plugin
            for plugin in self.plugins
            for kind, records in plugin.records.items()
            for record in records
            if (kind, record.name) in wanted
        ]
        hooks = [getattr(self._manager.hook, hook).get_hookimpls() for hook in RUN_HOOKS]
        modules = {id(implementation.plugin) for implementations in hooks for implementation in implementations}
        found += [plugin for plugin in self.plugins if id(plugin.module) in modules]
        return {plugin.name: plugin.distribution for plugin in sorted(found, key=lambda plugin: plugin.name)}

    def conflicts(self) -> dict[str, list[Plugin]]:
        """Return every `kind:name` that several plugins provide."""
        owners: dict[str, list[Plugin]] = {}
        for plugin in self.plugins:
            for provided in plugin.provides():
                owners.setdefault(provided, []).append(plugin)
        return {provided: plugins for provided, plugins in owners.items() if len(plugins) > 1}

    def listeners(self, hook: str) -> list[Callable[[Any], object]]:
        """Return the functions of a notification hook, in pluggy's order: the last registered plugin first."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        return [listener_of(implementation) for implementation in reversed(implementations)]

    def tool_call_wrappers(self) -> list[Wrapper]:
        """Return the functions around every tool call, outermost first."""
        return [wrapper_of(each) for each in reversed(self._manager.hook.tau2_tool_call.get_hookimpls())]

    def _attributed(self, kind: str) -> list[tuple[Any, Plugin]]:
        plugins = sorted(self.plugins, key=lambda plugin: plugin.places.get(kind, 0))
        return [(record, plugin) for plugin in plugins for record in plugin.records.get(kind, [])]

    def _all(self, kind: str) -> list[Any]:
        return [record for record, _ in self._attributed(kind)]

    def _get(self, kind: str, name: str) -> Any:
        found = [(record, plugin) for record, plugin in self._attributed(kind) if record.name == name]
        if len(found) == 1:
            return found[0][0]
        if found:
            origins = " and ".join(plugin.origin for _, plugin in found)
            raise UsageError(f"{kind} {name!r} comes from {origins}; block one of these packages with --no-plugin")
        for plugin in self.plugins:
            if plugin.name == name and plugin.status == "blocked":
                raise UsageError(
                    f"{kind} {name!r} of {plugin.origin} is blocked; take it out of --no-plugin or TAU2_GYM_DISABLE"
                )
            if plugin.name == name and plugin.status == "broken":
                raise PackError([problem for problem in self.broken() if problem.pack == name])
        from tau2_core.packs.locations import pack_hint  # not needed to list the commands

        known = [record.name for record in self._all(kind)]
        more = pack_hint(name) if kind == "domain" else PACKAGES.get(f"{kind}:{name}", "")
        raise UsageError(f"no {kind} {name!r} ({did_you_mean(name, known)}){more}{self.unknown_because_broken()}")
