"""Finding plugins by entry point, and loading each so that a broken one affects no other."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from tau2_core import hookspecs
from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.registrations import Domain
from tau2_core.name_suggestions import did_you_mean
from tau2_core.plugins import builtin, faults
from tau2_core.plugins.catalogue import Catalogue
from tau2_core.plugins.plugin import Plugin
from tau2_core.plugins.record_hooks import RECORD_HOOKS, RECORD_TYPES

DISABLE_VARIABLE = "TAU2_GYM_DISABLE"


def discover(*, blocked: Iterable[str] = (), packs: Sequence[Domain] = ()) -> Catalogue:
    """Load all installed plugins, except those named in `blocked` or TAU2_GYM_DISABLE (comma-separated).

    A plugin is blocked by its own name or by its distribution's name.

    `packs` are domains loaded from folders; such a folder replaces an installed pack of the same name.

    Raises UsageError for a blocked name that is not installed.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    names = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")} | set(blocked)
    names.discard("")
    folders = {domain.name for domain in packs}
    plugins = [
        _register(manager, Plugin("core", "tau2-core", "tau2_core.plugins.builtin"), builtin),
        _register(manager, Plugin("faults", "tau2-core", "tau2_core.plugins.faults"), faults),
    ]
    plugins += [Plugin(domain.name, None, str(domain.folder), records={"domain": [domain]}) for domain in packs]
    installed = sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name)
    owners = [_name_and_version(point) for point in installed]
    unknown = names - {point.name for point in installed} - {name for owner in owners for name in owner[:1]}
    if unknown:
        name = sorted(unknown)[0]
        raise UsageError(f"cannot block {name!r}: no such plugin ({did_you_mean(name, [p.name for p in installed])})")
    for point, owner in zip(installed, owners, strict=True):
        plugin = Plugin(point.name, " ".join(owner) or None, point.value)
        if not names.isdisjoint([point.name, *owner[:1]]):
            plugin.status = "blocked"
            plugins.append(plugin)
        elif point.name in folders:
            plugin.status, plugin.cause = "replaced", "a folder given with --pack replaces it"
            plugins.append(plugin)
        else:
            plugins.append(_load(manager, plugin, point))
    return Catalogue(manager, plugins)


def _name_and_version(point: EntryPoint) -> list[str]:
    """Return those of the distribution, [] if there is none. Each access to `metadata` parses a file."""
    if point.dist is None:
        return []
    metadata = point.dist.metadata
    return [metadata["Name"], metadata["Version"]]


def _load(manager: pluggy.PluginManager, plugin: Plugin, point: EntryPoint) -> Plugin:
    try:
        with foreign():
            module = point.load()
    except Exception as error:  # noqa: BLE001 - it may raise anything; the plugin is then broken
        return _broken(plugin, error, _module_file(point))
    return _register(manager, plugin, module)


def _register(manager: pluggy.PluginManager, plugin: Plugin, module: ModuleType | Any) -> Plugin:
    file = Path(getattr(module, "__file__", "") or "")
    try:
        with foreign():
            _check_hooks(manager, module)
        manager.register(module, name=f"{plugin.name} of {plugin.origin}")  # two packages may use the same name
        for hook, kind in RECORD_HOOKS.items():
            for implementation in getattr(manager.hook, hook).get_hookimpls():
                if implementation.plugin is module:
                    with foreign():
                        records = _records(hook, implementation.function, RECORD_TYPES[kind])
                    plugin.records.setdefault(kind, []).extend(records)
                    plugin.places[kind] = implementation.trylast - implementation.tryfirst
    except Exception as error:  # noqa: BLE001 - as above
        if manager.is_registered(module):
            manager.unregister(module)
        plugin.records.clear()
        return _broken(plugin, error, file)
    plugin.module = module
    return plugin


class HookError(TypeError):
    """A hook's implementation does not match its specification; carries the location of the function."""

    def __init__(self, message: str, function: Callable[..., Any]) -> None:
        super().__init__(message)
        code = function.__code__
        self.file, self.line = Path(code.co_filename), code.co_firstlineno


def _check_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    """Compare a plugin's hooks with their specifications. Raises HookError."""
    known = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("tau2_")}
    for attribute in dir(module):
        options = manager.parse_hookimpl_opts(module, attribute)
        if options is None:
            continue
        function = getattr(module, attribute)
        name = options.get("specname") or attribute
        if options.get("wrapper") or options.get("hookwrapper"):
            advice = "tau2_tool_call wraps a call by its argument `proceed`; other hooks cannot be wrapped"
            raise HookError(f"hook {name!r} is a wrapper, which is not supported ({advice})", function)
        if name not in known:
            if options.get("optionalhook"):
                continue
            raise HookError(f"unknown hook {name!r} ({did_you_mean(name, known)})", function)
        wanted = list(inspect.signature(known[name]).parameters)
        for parameter in inspect.signature(function).parameters:
            if parameter not in wanted:
                takes = f"it may take {', '.join(wanted)}" if wanted else "it takes no arguments"
                raise HookError(f"hook {name!r} has no argument {parameter!r}; {takes}", function)
        if inspect.iscoroutinefunction(function) and not inspect.iscoroutinefunction(known[name]):
            raise HookError(f"hook {name!r} is called, not awaited; write `def`, not `async def`", function)


def _records(hook: str, function: Callable[[], Any], wanted: type) -> list[Any]:
    """Call a hook that returns records. Raises HookError if it returns anything else."""
    found = function()
    if not isinstance(found, list | tuple):
        raise HookError(f"hook {hook!r} returned {found!r}, not a list of {wanted.__name__}", function)
    for record in found:
        if not isinstance(record, wanted):
            raise HookError(
                f"hook {hook!r} returned {record!r} in its list, which is not of type {wanted.__name__}", function
            )
    return list(found)


def _broken(plugin: Plugin, error: BaseException, file: Path | None) -> Plugin:
    plugin.status = "broken"
    plugin.cause = describe_error(error)
    plugin.file, plugin.line = file, None
    if isinstance(error, SyntaxError) and error.filename:
        plugin.file, plugin.line = Path(error.filename), error.lineno
        return plugin
    if isinstance(error, HookError):
        plugin.cause, plugin.file, plugin.line = str(error), error.file, error.line
        return plugin
    trace = error.__traceback__
    while trace is not None:
        frame_file = Path(trace.tb_frame.f_code.co_filename)
        if file is not None and file.parent in frame_file.parents:
            plugin.file, plugin.line = frame_file, trace.tb_lineno
        trace = trace.tb_next
    return plugin


def _module_file(point: EntryPoint) -> Path | None:
    try:
        with foreign():
            spec = importlib.util.find_spec(point.module)
    except Exception:  # noqa: BLE001 - importing its parents may fail, which is already reported
        return None
    return Path(spec.origin) if spec and spec.origin else None
