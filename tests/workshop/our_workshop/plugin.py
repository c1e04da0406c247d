import json
import os
from dataclasses import replace
from pathlib import Path

from tau2_core import (
    AdapterSpec,
    AgentKind,
    AgentSpec,
    CommandSpec,
    DetectorSpec,
    EvaluatorSpec,
    ExecutorSpec,
    ExporterSpec,
    FaultSpec,
    Lazy,
    ObserverSpec,
    PageSpec,
    RetrieverSpec,
    SandboxSpec,
    Toolset,
    UserSpec,
    hookimpl,
)

HOME = "our_workshop.parts"


@hookimpl
def tau2_toolsets():
    return [Toolset("counting", "mock", "agent", "our_workshop")]


@hookimpl
def tau2_agents():
    return [AgentSpec("counter", "counts tasks", Lazy(f"{HOME}:Counter"))]


@hookimpl
def tau2_agent_kinds():
    return [AgentKind("count-by", "counts tasks with a tool", "TOOL", Lazy(f"{HOME}:count_by"))]


@hookimpl
def tau2_user_simulators():
    return [UserSpec("curt", "says two words", Lazy(f"{HOME}:Curt"))]


@hookimpl
def tau2_evaluators():
    criteria = ["DB", "COMMUNICATE"]
    return [EvaluatorSpec(f"busy.{each}", "busy", each, Lazy(f"{HOME}:is_busy")) for each in criteria]


@hookimpl
def tau2_adapters():
    return [AdapterSpec("lines", "a task a line", Lazy(f"{HOME}:detect"), Lazy(f"{HOME}:open_lines"))]


@hookimpl
def tau2_faults():
    return [FaultSpec("doubling", "sixes are told as twelves", Lazy(f"{HOME}:doubling"))]


@hookimpl
def tau2_retrievers():
    return [RetrieverSpec("everything", "all documents", Lazy(f"{HOME}:Everything"), {})]


@hookimpl
def tau2_user_detectors():
    return [
        DetectorSpec("shouting", "capital letters", Lazy(f"{HOME}:shouting")),
        DetectorSpec("broken", "raises", Lazy(f"{HOME}:broken")),
    ]


@hookimpl
def tau2_sandboxes():
    return [SandboxSpec("echo", "tells what it was given", Lazy(f"{HOME}:Echo"))]


@hookimpl
def tau2_commands():
    return [CommandSpec("tally", "Count the episodes of a run.", Lazy(f"{HOME}:tally"), ["tau2-gym tally runs/first"])]


@hookimpl
def tau2_executors():
    return [ExecutorSpec("nearby", "workers next door", Lazy(f"{HOME}:open_nearby"), {"closed": "why there are none"})]


@hookimpl
def tau2_exporters():
    return [
        ExporterSpec("ids", "the ids of tasks", Lazy(f"{HOME}:ids")),
        ExporterSpec("ends", "how episodes ended", write=Lazy(f"{HOME}:write_ends")),
        ExporterSpec("told", "tells the number", send=Lazy(f"{HOME}:send_number"), options={"unit": "what is counted"}),
        ExporterSpec("nothing", "forgets to name a function"),
    ]


@hookimpl
def tau2_pages():
    return [
        PageSpec("ends", "How it ended", "episode", "our_workshop", "ends.html", Lazy(f"{HOME}:ends")),
        PageSpec("folder", "The folder", "page", "our_workshop", "ends.html", Lazy(f"{HOME}:folder")),
    ]


@hookimpl
def tau2_observers():
    return [ObserverSpec("steps", "notes steps", Lazy(f"{HOME}:open_steps"))]


@hookimpl
async def tau2_tool_call(proceed, call):
    result = await proceed(call)
    return replace(result, content=result.content.replace('"6"', "half a dozen"))


def _note(hook, **what):
    with Path(os.environ["WORKSHOP_LOG"]).open("a") as log:
        log.write(json.dumps({"hook": hook, **what}) + "\n")


@hookimpl
def tau2_run_started(start):
    _note("run_started", tasks=list(start.tasks), slots=start.slots, folder_exists=start.folder.is_dir())


@hookimpl
def tau2_episode_started(start):
    _note("episode_started", slot=str(start.slot))


@hookimpl
def tau2_episode_finished(record):
    _note("episode_finished", slot=str(record.slot), ended=record.termination)


@hookimpl
def tau2_run_finished(summary):
    _note("run_finished", finished=summary.finished, mean=summary.mean_reward)
