import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from tau2_core import (
    AgentSpec,
    AssistantMessage,
    Check,
    Dataset,
    FinishedCommand,
    Hit,
    ReplyStep,
    Run,
    Status,
    Task,
    ToolCall,
    ToolMessage,
    ToolStep,
    UserFinding,
    UserMessage,
    Verdict,
)


@asynccontextmanager
async def open_nearby(options):
    if "closed" in options.options:
        raise LookupError(options.options["closed"])
    yield Nearby(options.workers)


class Everything:
    def __init__(self, knowledge, options):
        self.hits = [Hit(each, 1.0) for each in knowledge.documents]

    def search(self, query):
        return self.hits

    def nothing_found(self, query):
        return "nothing"


class Echo:
    async def run(self, folder, command, *, writable, limits):
        return FinishedCommand(0, f"{command} among {len(list(folder.iterdir()))} files", "")


class Nearby:
    host = "127.0.0.1"

    def __init__(self, workers):
        self.workers = workers

    async def start(self, invitation):
        command = [sys.executable, "-m", "tau2_core.worker"]
        self.process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        self.process.stdin.write(f"{invitation.text()}\n".encode())
        return self

    async def wait(self):
        return f"status {await self.process.wait()}"

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()


def ids(export):
    return [{"id": task_id} for task_id in export.tasks]


def write_ends(export, out):
    episodes = export.run.episodes
    out.mkdir()
    for number, episode in enumerate(episodes):
        assert episodes[number].record == episode.record == episodes[number - len(episodes) :][0].record
        (out / str(number)).write_text(episode.record.termination)
    return len(episodes)


def send_number(export):
    number = len(export.run.episodes if export.run else export.tasks)
    Path("told.txt").write_text(f"{number} {export.options['unit']} {export.run and export.run.folder.name}")
    return number


def open_steps(name, configuration):
    return Steps(name, configuration["agent"]["name"]) if "WORKSHOP_STEPS" in os.environ else None


class Steps:
    def __init__(self, name, agent):
        self.note("opened", name, agent)

    def note(self, *what):
        with Path(os.environ["WORKSHOP_STEPS"]).open("a") as log:
            log.write(json.dumps(what) + "\n")

    def episode_started(self, start):
        self.note("episode", str(start.slot), start.seed)

    def step_started(self, slot, step):
        if isinstance(step, ReplyStep):
            self.note(f"{step.role}…", str(slot))

    def step_finished(self, slot, step):
        if isinstance(step, ToolStep):
            self.note(step.call.name, step.result.content)
        else:
            self.note(step.role, type(step.message).__name__, step.error and str(step.error))
        if os.environ["WORKSHOP_STEPS"].endswith("fails"):
            raise LookupError("no more paper")

    def episode_finished(self, record, grade):
        self.note(record.termination, grade.reward)

    def close(self):
        self.note("closed")


class Counter:
    def __init__(self, context):
        self.tools = [tool.name for tool in context.tools]

    async def reply(self, history):
        if isinstance(history[-1], ToolMessage):
            return AssistantMessage(content=f"There are {history[-1].content} tasks.")
        return AssistantMessage(tool_calls=[ToolCall(id="c", name="count_tasks", arguments={})])


class CountBy:
    def __init__(self, tool, context):
        self.tool, self.call = tool, context.call

    async def reply(self, history):
        result = await self.call(self.tool, {})
        return AssistantMessage(content=f"There are {result.content} tasks.")


def count_by(tool):
    return AgentSpec("count-by", "counts tasks with a tool", partial(CountBy, tool), calls_tools="itself")


class Curt:
    def __init__(self, context):
        self.lines = ["How many?", "###STOP###"]

    async def reply(self, history):
        return UserMessage(content=self.lines.pop(0))


def shouting(conversation):
    for index, message in conversation.user_messages:
        for word in message.content.strip("#").split():
            if word.isupper():
                yield UserFinding(detector="", severity="decisive", message=index, words=word, why="it shouts")


def broken(conversation):
    return 1 / 0


def is_busy(evidence):
    calls = evidence.record.tool_calls
    checks = [Check(what=f"{calls} calls", met=calls > 0)]
    return Verdict(criterion="busy", status=Status.GRADED, reward=min(calls, 1), checks=checks)


def doubling(rate, seed):
    async def wrapper(call, proceed):
        result = await proceed(call)
        return replace(result, content=result.content.replace("6", "12")) if rate else result

    return wrapper


def tally(run: str) -> None:
    "Count the episodes of a run."
    print(len(Run(run)), "episodes")


def ends(episode):
    return {"ended": f"<b>{episode.termination.value}</b>"}


def folder(place):
    return {"ended": place.name}


def detect(folder):
    return (folder / "lines.txt").is_file()


def open_lines(folder, domain):
    def load():
        texts = (folder / "lines.txt").read_text().splitlines()
        return [
            Task(id=f"line_{n}", user_scenario={"instructions": text}, evaluation_criteria={"actions": []})
            for n, text in enumerate(texts)
        ]

    return Dataset(
        adapter="lines", domain=domain, root=folder, databases={}, load_tasks=load, splits={}, default_split=None
    )
