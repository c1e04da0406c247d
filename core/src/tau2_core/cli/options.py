"""Options that several commands share, and the examples in each command's help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., None])

PackOption = Annotated[
    list[Path] | None, typer.Option("--pack", metavar="PATH", help="Load a pack from a folder, without installing it.")
]
PackTau2Option = Annotated[
    list[str] | None,
    typer.Option(
        "--pack-tau2", metavar="MODULE[:FACTORY]", help="Wrap a domain written in Python for tau2-bench, as it is."
    ),
]
NoPluginOption = Annotated[
    list[str] | None, typer.Option("--no-plugin", metavar="NAME", help="Block a plugin before it is imported.")
]
DatasetOption = Annotated[
    Path | None, typer.Option("--dataset", metavar="DIR", help="Use a dataset, such as a checkout of tau2-bench.")
]
EvaluatorsOption = Annotated[
    str | None,
    typer.Option(
        metavar="SET|FILE", help="The evaluators: tau2 (default), strict, a plugin's set, or an evaluation.yaml."
    ),
]
UserPromptOption = Annotated[
    str | None,
    typer.Option(
        "--user-prompt", metavar="NAME", help="The customer's prompt; `tau2-gym describe DOMAIN` lists the variants."
    ),
]
PersonaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--persona", metavar="NAME", help="How the customer behaves; if repeated, personas take turns by trial."
    ),
]
JudgeModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-model",
        metavar="MODEL",
        help="The model that decides natural-language assertions; repeat it for several judges.",
    ),
]
JudgeArgsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-args", metavar="JSON", help="Arguments of the judge's model; once for all judges, or once for each."
    ),
]
JudgeRuleOption = Annotated[
    Literal["majority", "unanimous"],
    typer.Option("--judge-rule", help="How several judges decide; a tie decides that a statement does not hold."),
]
UserCheckOption = Annotated[
    bool,
    typer.Option(
        "--user-check", help="Check what the customer is about to say, and ask its model once more if need be."
    ),
]
JudgeCalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--judge-calibration", metavar="FILE", help="The judge's calibration, as calibrate-judge has written it."
    ),
]
MinJudgeAccuracyOption = Annotated[
    float | None,
    typer.Option("--min-judge-accuracy", metavar="X", help="Exit with 1 if the judge's measured accuracy is lower."),
]
MaxCustomerFaultsOption = Annotated[
    float | None,
    typer.Option(
        "--max-customer-faults",
        metavar="X",
        help="Exit with 1 if the share of reviewed episodes with a decisive fault of the customer is higher.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A YAML file with any of these options; the command line overrides it."),
]
ShowConfigOption = Annotated[
    bool, typer.Option("--show-config", help="Print all options as such a file, without secrets, and exit.")
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor", metavar="NAME", help="Where the work is done: async (this process), processes, or a plugin's."
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="How many processes; implies --executor processes.")
]
ExecutorOptionOption = Annotated[
    list[str] | None, typer.Option("--executor-option", metavar="NAME=VALUE", help="An option of the executor.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]


def given(ctx: typer.Context) -> dict[str, Any]:
    """Return the parameters that were given on the command line or in the environment."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    named = {name for name, source in sources.items() if source and source.name in ("COMMANDLINE", "ENVIRONMENT")}
    found = {name: value for name, value in ctx.params.items() if name in named}
    if "pack_tau2" in found:
        found["pack"] = all_packs(found.get("pack"), found.pop("pack_tau2"))
    return found


def all_packs(folders: Sequence[Path] | None, wrapped: Sequence[str] | None) -> list[Path]:
    """Return the packs of --pack and of --pack-tau2 in the form of the former: a folder, or `tau2:TARGET`."""
    return [*(folders or ()), *(Path(f"tau2:{target}") for target in wrapped or ())]


def example(*commands: str) -> Callable[[Command], Command]:
    """Attach the example at the end of a command's help: shell lines that work in this order in any folder."""

    def attach(command: Command) -> Command:
        vars(command)["example"] = commands
        return command

    return attach
