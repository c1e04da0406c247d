"""Code that is imported when it is first used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from tau2_core.errors import PluginError
from tau2_core.foreign_code import describe_error, foreign

Code = TypeVar("Code")


@dataclass(frozen=True, slots=True)
class Lazy(Generic[Code]):
    """Code named as `module:name`, imported when it is first used."""

    target: str

    def load(self) -> Code:
        """Import it. Raises PluginError."""
        from importlib import import_module

        module, _, name = self.target.partition(":")
        try:
            with foreign():
                code: Code = getattr(import_module(module), name)
        except Exception as error:
            why = describe_error(error)
            raise PluginError(
                f"{self.target} cannot be loaded: {why}; fix or block the plugin that names it"
            ) from error
        return code


def loaded(code: Code | Lazy[Code]) -> Code:
    """Return the code itself, importing it if it is only named."""
    return code.load() if isinstance(code, Lazy) else code
