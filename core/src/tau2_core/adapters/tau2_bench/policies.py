"""Policies by variant and mode: one text, or two chapters combined (spec/telecom.md, 0.4).

The layout of a domain is determined by its files:

    policy.md         policy_solo.md                      one text
    main_policy.md    main_policy_solo.md                 the first chapter, the same in every variant
    tech_support_<variant>.md    …_<variant>_solo.md      the second; without a solo text it is used for both modes
"""

from __future__ import annotations

from pathlib import Path

from tau2_core.adapters.tau2_bench.files import Files

DEFAULT_VARIANT = "manual"
_SUFFIXES = {False: "", True: "_solo"}
_MAIN, _SUPPORT = "main_policy", "tech_support"

Policies = dict[tuple[str, bool], str]


def read_policies(folder: Path, files: Files) -> Policies:
    """Return a domain's policies by (variant, solo). Raises DatasetError if one cannot be read."""
    return _from_chapters(folder, files) or _from_single_texts(folder, files)


def _from_single_texts(folder: Path, files: Files) -> Policies:
    texts = {solo: files.read_if_present(folder / f"policy{suffix}.md") for solo, suffix in _SUFFIXES.items()}
    return {("", solo): text for solo, text in texts.items() if text is not None}


def _from_chapters(folder: Path, files: Files) -> Policies:
    support = {file.stem.removeprefix(f"{_SUPPORT}_"): file for file in sorted(folder.glob(f"{_SUPPORT}_*.md"))}
    variants = [name for name in support if not name.endswith(_SUFFIXES[True])]
    policies: Policies = {}
    for solo, suffix in _SUFFIXES.items():
        main = folder / f"{_MAIN}{suffix}.md"
        if not main.is_file():
            continue
        for variant in variants:
            second = support.get(f"{variant}{suffix}", support[variant])
            chapters = {_MAIN: files.read(main), f"{_SUPPORT}_policy": files.read(second)}
            policies[variant, solo] = "\n".join(f"<{tag}>\n{text}\n</{tag}>" for tag, text in chapters.items())
            if variant == DEFAULT_VARIANT:
                policies["", solo] = policies[variant, solo]
    return policies
