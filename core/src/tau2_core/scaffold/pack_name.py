"""The name of a new pack, and the names derived from it."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import unicodedata
from dataclasses import dataclass

from tau2_core.errors import UsageError

_NAME = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?\Z")
LONGEST = 40


@dataclass(frozen=True)
class PackName:
    """A domain's name, and its package: of the same name in a plain folder, `tau2_domain_NAME` in a distribution."""

    domain: str
    distributed: bool = False

    @property
    def package(self) -> str:
        return f"tau2_domain_{self.domain}" if self.distributed else self.domain

    @property
    def distribution(self) -> str:
        return f"tau2-domain-{self.domain.replace('_', '-')}"

    @property
    def camel(self) -> str:
        """The prefix of class names: `BikeShop` for `bike_shop`."""
        return "".join(part.capitalize() for part in self.domain.split("_"))

    @property
    def title(self) -> str:
        """The name in headings: `Bike shop` for `bike_shop`."""
        return self.domain.replace("_", " ").strip().capitalize()


def new_pack_name(text: str, taken: dict[str, str], *, distributed: bool = False) -> PackName:
    """Return the names of a new pack. `taken`: installed domains and their origins.

    Raises UsageError for an invalid package name, and for a name that a domain or a module already has.
    """
    if not _NAME.match(text) or keyword.iskeyword(text) or len(text) > LONGEST:
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        likely = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:LONGEST].strip("_")
        usable = _NAME.match(likely) and not keyword.iskeyword(likely)
        rule = f"use a-z, 0-9 and `_`, up to {LONGEST}, a letter first and no `_` at the end, and not a Python keyword"
        raise UsageError(
            f"{text!r} is not a valid name for a pack: {rule}" + (f"; {likely!r}, for example" if usable else "")
        )
    if text in taken:
        raise UsageError(f"there is already a domain {text!r}, from {taken[text]}: choose another name")
    name = PackName(text, distributed)
    if name.package in sys.stdlib_module_names or importlib.util.find_spec(name.package) is not None:
        raise UsageError(f"there is already a Python module {name.package!r}: choose another name, or use --package")
    return name
