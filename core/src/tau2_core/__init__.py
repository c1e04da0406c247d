"""tau2-core: the public names. Each is imported on first use, so that the command line starts quickly."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__: str

if TYPE_CHECKING:
    from tau2_core.api.curriculum import Curriculum as Curriculum
    from tau2_core.api.domains import LoadedDomain as LoadedDomain
    from tau2_core.api.domains import installed_domains as installed_domains
    from tau2_core.api.domains import load_domain as load_domain
    from tau2_core.api.episode_factory import EpisodeFactory as EpisodeFactory
    from tau2_core.api.episode_factory import StepRewards as StepRewards
    from tau2_core.api.episodes import SyncEpisode as SyncEpisode
    from tau2_core.api.episodes import open_episode as open_episode
    from tau2_core.api.evaluate import aevaluate as aevaluate
    from tau2_core.api.evaluate import evaluate as evaluate
    from tau2_core.api.options import EpisodeOptions as EpisodeOptions
    from tau2_core.api.options import RunOptions as RunOptions
    from tau2_core.api.run import Run as Run
    from tau2_core.api.run import RunEpisode as RunEpisode
    from tau2_core.arithmetic import calculate as calculate
    from tau2_core.episode.episode import Episode as Episode
    from tau2_core.episode.side import Side as Side
    from tau2_core.errors import DatasetError as DatasetError
    from tau2_core.errors import EpisodeError as EpisodeError
    from tau2_core.errors import PackError as PackError
    from tau2_core.errors import PluginError as PluginError
    from tau2_core.errors import Refusal as Refusal
    from tau2_core.errors import RunError as RunError
    from tau2_core.errors import TaskError as TaskError
    from tau2_core.errors import Tau2GymError as Tau2GymError
    from tau2_core.errors import ToolError as ToolError
    from tau2_core.errors import UnavailableError as UnavailableError
    from tau2_core.errors import UsageError as UsageError
    from tau2_core.evaluators.learning_rewards import RewardWeights as RewardWeights
    from tau2_core.hookspecs import Proceed as Proceed
    from tau2_core.hookspecs import hookimpl as hookimpl
    from tau2_core.model.customer_turns import CustomerPlan as CustomerPlan
    from tau2_core.model.customer_turns import CustomerTurn as CustomerTurn
    from tau2_core.model.customer_turns import DraftFault as DraftFault
    from tau2_core.model.customers import Persona as Persona
    from tau2_core.model.datasets import Dataset as Dataset
    from tau2_core.model.datasets import ToolText as ToolText
    from tau2_core.model.episodes import EpisodeRecord as EpisodeRecord
    from tau2_core.model.episodes import EpisodeStart as EpisodeStart
    from tau2_core.model.evaluation import Check as Check
    from tau2_core.model.evaluation import Evidence as Evidence
    from tau2_core.model.evaluation import Grade as Grade
    from tau2_core.model.evaluation import Status as Status
    from tau2_core.model.evaluation import Verdict as Verdict
    from tau2_core.model.executors import ExecutorOptions as ExecutorOptions
    from tau2_core.model.executors import Invitation as Invitation
    from tau2_core.model.executors import Launcher as Launcher
    from tau2_core.model.executors import WorkerProcess as WorkerProcess
    from tau2_core.model.exports import Export as Export
    from tau2_core.model.exports import ExportedEpisode as ExportedEpisode
    from tau2_core.model.exports import ExportedRun as ExportedRun
    from tau2_core.model.knowledge import AwaitedRetriever as AwaitedRetriever
    from tau2_core.model.knowledge import Document as Document
    from tau2_core.model.knowledge import Hit as Hit
    from tau2_core.model.knowledge import KnowledgeBase as KnowledgeBase
    from tau2_core.model.knowledge import Retriever as Retriever
    from tau2_core.model.knowledge import SearchContext as SearchContext
    from tau2_core.model.lazy import Lazy as Lazy
    from tau2_core.model.llm import Completion as Completion
    from tau2_core.model.llm import Model as Model
    from tau2_core.model.llm import ModelSettings as ModelSettings
    from tau2_core.model.messages import AssistantMessage as AssistantMessage
    from tau2_core.model.messages import Message as Message
    from tau2_core.model.messages import ToolCall as ToolCall
    from tau2_core.model.messages import ToolMessage as ToolMessage
    from tau2_core.model.messages import UserMessage as UserMessage
    from tau2_core.model.observation import ModelStep as ModelStep
    from tau2_core.model.observation import Observer as Observer
    from tau2_core.model.observation import ReplyStep as ReplyStep
    from tau2_core.model.observation import ToolStep as ToolStep
    from tau2_core.model.participants import Agent as Agent
    from tau2_core.model.participants import AgentContext as AgentContext
    from tau2_core.model.participants import User as User
    from tau2_core.model.participants import UserContext as UserContext
    from tau2_core.model.registrations import AdapterSpec as AdapterSpec
    from tau2_core.model.registrations import AgentKind as AgentKind
    from tau2_core.model.registrations import AgentSpec as AgentSpec
    from tau2_core.model.registrations import CommandSpec as CommandSpec
    from tau2_core.model.registrations import DetectorSpec as DetectorSpec
    from tau2_core.model.registrations import Domain as Domain
    from tau2_core.model.registrations import EvaluatorSpec as EvaluatorSpec
    from tau2_core.model.registrations import ExecutorSpec as ExecutorSpec
    from tau2_core.model.registrations import ExporterSpec as ExporterSpec
    from tau2_core.model.registrations import FaultSpec as FaultSpec
    from tau2_core.model.registrations import ObserverSpec as ObserverSpec
    from tau2_core.model.registrations import PageSpec as PageSpec
    from tau2_core.model.registrations import RetrieverSpec as RetrieverSpec
    from tau2_core.model.registrations import SandboxSpec as SandboxSpec
    from tau2_core.model.registrations import SearchParts as SearchParts
    from tau2_core.model.registrations import Toolset as Toolset
    from tau2_core.model.registrations import UserSpec as UserSpec
    from tau2_core.model.runs import RunStart as RunStart
    from tau2_core.model.runs import RunSummary as RunSummary
    from tau2_core.model.sandboxes import FinishedCommand as FinishedCommand
    from tau2_core.model.sandboxes import Sandbox as Sandbox
    from tau2_core.model.sandboxes import SandboxLimits as SandboxLimits
    from tau2_core.model.tasks import Task as Task
    from tau2_core.model.tools import Failure as Failure
    from tau2_core.model.tools import Tool as Tool
    from tau2_core.model.tools import ToolResult as ToolResult
    from tau2_core.model.user_review import ReviewedConversation as ReviewedConversation
    from tau2_core.model.user_review import UserFinding as UserFinding
    from tau2_core.model.user_review import UserReview as UserReview
    from tau2_core.packs.context import Context as Context
    from tau2_core.packs.hidden_tools import HiddenTools as HiddenTools
    from tau2_core.runs.execute import FinishedEpisode as FinishedEpisode
    from tau2_core.runs.executors.worker import run_worker as run_worker
    from tau2_core.state.records import Database as Database
    from tau2_core.state.records import Record as Record
    from tau2_core.state.records import Section as Section
    from tau2_core.state.view import reading as reading
    from tau2_core.state.wrapped_world import wrapped_environment as wrapped_environment

_HOMES = {
    "api.curriculum": ["Curriculum"],
    "api.domains": ["LoadedDomain", "installed_domains", "load_domain"],
    "api.episodes": ["SyncEpisode", "open_episode"],
    "api.evaluate": ["aevaluate", "evaluate"],
    "api.episode_factory": ["EpisodeFactory", "StepRewards"],
    "api.options": ["EpisodeOptions", "RunOptions"],
    "api.run": ["Run", "RunEpisode"],
    "arithmetic": ["calculate"],
    "episode.episode": ["Episode"],
    "episode.side": ["Side"],
    "errors": [
        "DatasetError",
        "EpisodeError",
        "PackError",
        "PluginError",
        "Refusal",
        "RunError",
        "TaskError",
        "Tau2GymError",
        "ToolError",
        "UnavailableError",
        "UsageError",
    ],
    "evaluators.learning_rewards": ["RewardWeights"],
    "hookspecs": ["Proceed", "hookimpl"],
    "model.customer_turns": ["CustomerPlan", "CustomerTurn", "DraftFault"],
    "model.customers": ["Persona"],
    "model.datasets": ["Dataset", "ToolText"],
    "model.episodes": ["EpisodeRecord", "EpisodeStart"],
    "model.evaluation": ["Check", "Evidence", "Grade", "Status", "Verdict"],
    "model.executors": ["ExecutorOptions", "Invitation", "Launcher", "WorkerProcess"],
    "model.exports": ["Export", "ExportedEpisode", "ExportedRun"],
    "model.knowledge": ["AwaitedRetriever", "Document", "Hit", "KnowledgeBase", "Retriever", "SearchContext"],
    "model.llm": ["Completion", "Model", "ModelSettings"],
    "model.messages": ["AssistantMessage", "Message", "ToolCall", "ToolMessage", "UserMessage"],
    "model.observation": ["ModelStep", "Observer", "ReplyStep", "ToolStep"],
    "model.participants": ["Agent", "AgentContext", "User", "UserContext"],
    "model.lazy": ["Lazy"],
    "model.registrations": [
        "AdapterSpec",
        "AgentKind",
        "AgentSpec",
        "CommandSpec",
        "DetectorSpec",
        "Domain",
        "EvaluatorSpec",
        "ExecutorSpec",
        "ExporterSpec",
        "FaultSpec",
        "ObserverSpec",
        "PageSpec",
        "RetrieverSpec",
        "SandboxSpec",
        "SearchParts",
        "Toolset",
        "UserSpec",
    ],
    "model.runs": ["RunStart", "RunSummary"],
    "model.sandboxes": ["FinishedCommand", "Sandbox", "SandboxLimits"],
    "model.tasks": ["Task"],
    "model.tools": ["Failure", "Tool", "ToolResult"],
    "model.user_review": ["ReviewedConversation", "UserFinding", "UserReview"],
    "packs.context": ["Context"],
    "packs.hidden_tools": ["HiddenTools"],
    "runs.execute": ["FinishedEpisode"],
    "runs.executors.worker": ["run_worker"],
    "state.records": ["Database", "Record", "Section"],
    "state.view": ["reading"],
    "state.wrapped_world": ["wrapped_environment"],
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_MODULES)]  # noqa: PLE0604 - all of them are strings


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tau2-core")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
