"""The typed records that plugins return from hooks. Their code is loaded only when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tau2_core.model.lazy import Lazy
from tau2_core.model.tools import Role

if TYPE_CHECKING:
    from tau2_core.model.datasets import Dataset
    from tau2_core.model.evaluation import Evidence, Verdict
    from tau2_core.model.executors import ExecutorOptions, Launcher
    from tau2_core.model.exports import Export
    from tau2_core.model.knowledge import AwaitedRetriever, Retriever
    from tau2_core.model.llm import ModelRole
    from tau2_core.model.observation import Observer
    from tau2_core.model.participants import Agent, AgentContext, User, UserContext
    from tau2_core.model.sandboxes import Sandbox
    from tau2_core.model.user_review import ReviewedConversation, UserFinding

EVALUATOR_SECONDS = 60.0
CallsTools = Literal["in_reply", "itself", "over_mcp"]
ExportLines: TypeAlias = "Callable[[Export], Iterable[Mapping[str, Any]]]"
WriteExport: TypeAlias = "Callable[[Export, Path], int]"
SendExport: TypeAlias = "Callable[[Export], int]"
CreateRetriever: TypeAlias = "Callable[..., Retriever | AwaitedRetriever]"
Detect: TypeAlias = "Callable[[ReviewedConversation], Iterable[UserFinding]]"
OpenObserver: TypeAlias = "Callable[[str, Mapping[str, Any]], Observer | None]"
OpenLauncher: TypeAlias = "Callable[[ExecutorOptions], AbstractAsyncContextManager[Launcher]]"


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain pack: the package or the folder that contains its manifest."""

    name: str
    package: str | None = None
    folder: Path | None = None
    manifest: str = "domain.yaml"


@dataclass(frozen=True, slots=True)
class Toolset:
    """Additional tools for a domain of any package: a YAML file and the `handlers` folder of `package`."""

    name: str
    domain: str
    role: Role
    package: str
    file: str = "tools.yaml"


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent. With `sees_gold` it gets the task with its gold calls, and run.json says so.

    `needs_model` requires a language model (`--agent-model`). `interactive` means that a person answers, so a run plays
    one episode at a time. `external` means that the side is played from outside, step by step, so `create` is never
    called.

    `calls_tools`: `in_reply` means that its replies contain the calls; `itself` that it makes them while it replies,
    with `context.call`, and its replies are text; `over_mcp` that it does so over MCP at `context.mcp_url`, which a run
    serves.
    """

    name: str
    summary: str
    create: Callable[[AgentContext], Agent] | Lazy[Callable[[AgentContext], Agent]]
    sees_gold: bool = False
    needs_model: bool = False
    interactive: bool = False
    external: bool = False
    calls_tools: CallsTools = "in_reply"


@dataclass(frozen=True, slots=True)
class AgentKind:
    """A kind of agent that is named with a target: `--agent NAME:TARGET`, such as an address.

    `spec(target)` returns the agent; it raises UsageError for a target that cannot be one. `target` is the target's
    name in help and errors, such as URL.
    """

    name: str
    summary: str
    target: str
    spec: Callable[[str], AgentSpec] | Lazy[Callable[[str], AgentSpec]]


@dataclass(frozen=True, slots=True)
class UserSpec:
    """A user simulator. `solo` marks the placeholder for solo play, which has no user.

    `follows_prompt` means that it plays as the `guidelines` and the `persona` of its context say. With any other user,
    `--user-prompt` and `--persona` are refused.
    """

    name: str
    summary: str
    create: Callable[[UserContext], User] | Lazy[Callable[[UserContext], User]]
    sees_gold: bool = False
    solo: bool = False
    needs_model: bool = False
    interactive: bool = False
    external: bool = False
    follows_prompt: bool = False


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault for `--fault NAME=RATE`. `create(rate, seed)` returns a wrapper like tau2_tool_call."""

    name: str
    summary: str
    create: Callable[[float, str], Callable[..., Any]] | Lazy[Callable[[float, str], Callable[..., Any]]]


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """A reader of datasets: `detect(folder)` and `open(folder, domain)`, which raises DatasetError.

    `model_args` are the arguments that the dataset's own runner sends to each role's model; a run's arguments override
    them.
    """

    name: str
    summary: str
    detect: Callable[[Path], bool] | Lazy[Callable[[Path], bool]]
    open: Callable[[Path, str], Dataset] | Lazy[Callable[[Path, str], Dataset]]
    model_args: Mapping[ModelRole, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluatorSpec:
    """One evaluator of a named set; `criterion` is the entry of the reward basis that it decides.

    With `always` it counts for every task's reward, whatever the task's basis says. If it takes longer than `seconds`,
    that is an evaluator error.
    """

    name: str
    set: str
    criterion: str
    evaluate: Callable[[Evidence], Verdict] | Lazy[Callable[[Evidence], Verdict]]
    always: bool = False
    seconds: float = EVALUATOR_SECONDS


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """A detector of faults of the simulated customer: `detect(conversation)` yields a `UserFinding` for each.

    It looks at the record and the task only, so that a recorded conversation can be reviewed again. What it finds never
    changes a reward.
    """

    name: str
    summary: str
    detect: Detect | Lazy[Detect]


@dataclass(frozen=True, slots=True)
class RetrieverSpec:
    """A way to search a knowledge base, named by tools with `retriever: NAME`.

    `create(knowledge, options)` returns a `Retriever` or an `AwaitedRetriever`. It raises UsageError for wrong options.
    An index should be built at the first search, once for each `KnowledgeBase`. `options` are the names that it knows,
    with a line of help each. With `composes`, `create` gets a third argument, the `SearchParts` to be made of. `quick`
    promises that every search takes at most a few milliseconds, so a server may search on its event loop.
    """

    name: str
    summary: str
    create: CreateRetriever | Lazy[CreateRetriever]
    options: Mapping[str, str] = field(default_factory=dict)
    composes: bool = False
    quick: bool = False


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A place where commands of an agent run, shut off from the machine, named by the option `sandbox` of `shell`.

    `create()` returns a `Sandbox`. It raises UsageError if it cannot work on this machine, and says what to install.
    """

    name: str
    summary: str
    create: Callable[[], Sandbox] | Lazy[Callable[[], Sandbox]]


@dataclass(frozen=True, slots=True)
class SearchParts:
    """The parts that retrievers may use: the other retrievers and the sandboxes, by name."""

    retrievers: Mapping[str, RetrieverSpec] = field(default_factory=dict)
    sandboxes: Mapping[str, SandboxSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExporterSpec:
    """A writer of another tool's format, for `tau2-gym export --to NAME`, with one of three functions.

    `lines(export)` returns objects, each of which becomes a JSON line of a file. `write(export, out)` writes another
    format to a file or folder that does not exist yet, and returns the number of things written. `send(export)` sends
    it to another program and returns the number of things sent. It raises UsageError for an export that it cannot
    write.

    `options` are the names that `--option NAME=VALUE` knows, with a line of help each; the values are in
    `export.options`.
    """

    name: str
    summary: str
    lines: ExportLines | Lazy[ExportLines] | None = None
    write: WriteExport | Lazy[WriteExport] | None = None
    send: SendExport | Lazy[SendExport] | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecutorSpec:
    """A place where the episodes of a run are played and graded, selected with `--executor NAME`.

    `open` takes `ExecutorOptions` and returns an async context manager of a `Launcher`, which starts the workers. It
    raises UsageError for wrong options, RunError if no worker can be started. None is the process of the run itself.
    `options` are the names that `--executor-option NAME=VALUE` knows, with a line of help each.
    """

    name: str
    summary: str
    open: OpenLauncher | Lazy[OpenLauncher] | None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObserverSpec:
    """An observer of episodes while they are played, in each process that plays episodes of a run.

    `open(name, configuration)` gets the run's name and the content of its `run.json`. It returns an `Observer`, or None
    if this run is not to be watched. It raises UsageError for settings that it cannot use.
    """

    name: str
    summary: str
    open: OpenObserver | Lazy[OpenObserver]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command of `tau2-gym`: `run` is a function whose parameters become arguments and options, as in typer.

    `example` holds the lines at the end of its help. A command of the core takes precedence over one of the same name.
    """

    name: str
    summary: str
    run: Callable[..., None] | Lazy[Callable[..., None]]
    example: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A page of the workbench, or a panel next to an episode: a template, and a function that returns its variables.

    The function of a panel gets the `RunEpisode` that is shown; that of a page gets the folder of the runs as a `Path`.
    It returns the template's variables, or None to show nothing. `template` is the path of a Jinja template in
    `package`; its output is escaped.
    """

    name: str
    title: str
    place: Literal["page", "episode"]
    package: str
    template: str
    content: Callable[[Any], Mapping[str, Any] | None] | Lazy[Callable[[Any], Mapping[str, Any] | None]]
