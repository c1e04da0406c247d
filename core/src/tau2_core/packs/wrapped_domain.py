"""A domain written in Python for tau2-bench that a pack wraps: its environment, databases and copies of them.

Nothing of tau2-bench is imported here; the domain imports it. These attributes are used: `tools`, `user_tools`,
`policy` and `sync_tools` of an environment, and `get_tools`, `use_tool`, `db` and `get_db_hash` of its tools.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import create_model

from tau2_core.errors import UsageError
from tau2_core.foreign_code import describe_error, foreign
from tau2_core.model.tools import Role
from tau2_core.name_suggestions import did_you_mean
from tau2_core.packs.environment_copies import EnvironmentCopies
from tau2_core.state.records import Database
from tau2_core.state.world import Base, World
from tau2_core.state.wrapped_world import (
    HeldEnvironment,
    WrappedBase,
    WrappedWorld,
    database_content,
    own_hash,
    toolkit_of,
)

FACTORY = "get_environment"
_TARGET = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)(:(?P<factory>[A-Za-z_]\w*))?\Z")
_ROLES: tuple[Role, ...] = ("agent", "user")
_WORDS: Mapping[Role, str] = {"agent": "tools", "user": "user_tools"}


@dataclass(frozen=True)
class WrappedDomain:
    """A domain that a pack wraps.

    `environment` is the original, which is only read. `models` and `bases` are by side; a side without a database
    of its own, or with the agent's, `shares` the agent's.
    """

    target: str
    module: ModuleType
    environment: Any
    copies: EnvironmentCopies
    models: Mapping[Role, type[Database]]
    bases: Mapping[Role, Base]
    shares: bool

    def new_worlds(self) -> dict[Role, World]:
        """Return the worlds of a new episode."""
        held = HeldEnvironment(self.copies)
        worlds: dict[Role, World] = {"agent": WrappedWorld(self.bases["agent"], held, "agent")}
        if "user" in self.bases:
            worlds["user"] = worlds["agent"] if self.shares else WrappedWorld(self.bases["user"], held, "user")
        return worlds

    def note(self) -> str:
        """Return a sentence for the user about how its state is copied."""
        if self.copies.way == "factory":
            why = f"it cannot be copied ({self.copies.cause})"
            return f"{self.target} is created anew for every episode: {why}"
        return f"{self.target} is copied as a whole for every episode that calls a tool"


def open_wrapped(target: str) -> WrappedDomain:
    """Open the domain that `MODULE` or `MODULE:FACTORY` names; the factory is `get_environment` by default.

    Raises UsageError, which names the module, what is wrong, and the next step.
    """
    module, create = find_factory(target)
    environment = _called(target, create)
    for role in _ROLES:
        _check_tools(target, environment, role)
    roles = [role for role in _ROLES if getattr(environment, _WORDS[role], None) is not None]
    shares = "user" in roles and _shares(environment)
    bases: dict[Role, Base] = {}
    for role in roles:
        bases[role] = bases["agent"] if role == "user" and shares else _base(target, environment, role)
    models = {role: base.model for role, base in bases.items()}
    copies = EnvironmentCopies(create, environment)
    return WrappedDomain(target, module, environment, copies, models, bases, shares)


def find_factory(target: str) -> tuple[ModuleType, Callable[[], Any]]:
    """Return the module that a target names, and its factory of environments. Raises UsageError."""
    found = _TARGET.match(target)
    if found is None:
        raise _refused(target, "should read MODULE or MODULE:FACTORY, such as bookshop.environment:get_environment")
    name = found["module"]
    try:
        with foreign():
            module = importlib.import_module(name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name is not None
        known = missing and (name == error.name or name.startswith(f"{error.name}."))  # type: ignore[attr-defined]
        mend = "install its package (pip install -e FOLDER), or add its folder to PYTHONPATH"
        if not known:
            mend = "install what it needs, such as tau2-bench itself, or correct it"
        raise _refused(target, f"module {name} cannot be imported: {describe_error(error)}; {mend}") from error
    factory = found["factory"] or FACTORY
    create = getattr(module, factory, None)
    if not callable(create):
        public = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        hint = did_you_mean(factory, public)
        raise _refused(target, f"module {name} has no function {factory!r} ({hint}); name another as {name}:FACTORY")
    return module, create


def _called(target: str, create: Callable[[], Any]) -> Any:
    try:
        with foreign():
            environment = create()
    except Exception as error:
        what = f"its factory raised {describe_error(error)}"
        raise _refused(target, f"{what}; correct it, so that it can be called without arguments") from error
    if getattr(environment, "tools", None) is None:
        kind = type(environment).__name__
        what = f"its factory returned {_article(kind)}, which has no `tools`"
        raise _refused(target, f"{what}; it should return an Environment of tau2-bench")
    return environment


def _check_tools(target: str, environment: Any, role: Role) -> None:
    tools = getattr(environment, _WORDS[role], None)
    if tools is None:
        return
    lacking = [name for name in ("get_tools", "use_tool") if not callable(getattr(tools, name, None))]
    if lacking or not hasattr(tools, "db"):
        what = f"its `{_WORDS[role]}` are {_article(type(tools).__name__)} without {', '.join(lacking) or 'db'}"
        raise _refused(target, f"{what}; they should be a ToolKitBase of tau2-bench")
    if tools.db is not None and not callable(getattr(tools.db, "model_dump", None)):
        what = f"the database of its `{_WORDS[role]}` is {_article(type(tools.db).__name__)}"
        raise _refused(target, f"{what}; it should be a pydantic model, such as a DB of tau2-bench")


def _base(target: str, environment: Any, role: Role) -> Base:
    tools = toolkit_of(environment, role)
    try:
        with foreign(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # fields that are named like methods of pydantic
            content = database_content(tools.db)
            fields: dict[str, Any] = {name: (_type_of(value), ...) for name, value in content.items()}
            model = create_model(type(tools.db).__name__ if content else "NoDatabase", __base__=Database, **fields)
            return WrappedBase(model.model_validate(content), own_hash(tools))
    except Exception as error:
        what = f"the database of its `{_WORDS[role]}` cannot be read: {describe_error(error)}"
        raise _refused(target, f"{what}; correct its model or its hash") from error


def _shares(environment: Any) -> bool:
    own = environment.user_tools.db
    return own is None or own is environment.tools.db


def _type_of(value: Any) -> Any:
    return dict[str, Any] if isinstance(value, dict) else Any


def _article(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _refused(target: str, what: str) -> UsageError:
    return UsageError(f"{target}: {what}")
