"""Writing YAML for packs. Text that YAML would read as another type is quoted."""

from __future__ import annotations

import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z_][\w /.()-]*[\w.)]|[A-Za-z_]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
WIDTH = 120


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library defines the signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def yaml_text(content: dict[str, Any] | list[Any], between: str = "\n") -> str:
    """Return a mapping or a list as YAML, with a blank line between its entries."""
    entries = [{key: value} for key, value in content.items()] if isinstance(content, dict) else [[x] for x in content]
    return between.join(
        yaml.dump(entry, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH) for entry in entries
    )
