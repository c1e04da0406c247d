"""The digests cover everything that decides a run's results: after a change, --resume and compare refuse the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import tau2_core

Gym = Callable[..., CompletedProcess[str]]
Plugin = Callable[..., Path]
ONE = ("--task", "complete_task")
WRAPPER = """
from tau2_core import hookimpl
import wording

@hookimpl
async def tau2_tool_call(call, proceed):
    return await proceed(call)
"""
TOOLSET = """
from tau2_core import Toolset, hookimpl

@hookimpl
def tau2_toolsets():
    return [Toolset("more", "mock", "agent", "more")]
"""
EVALUATOR = """
from tau2_core import EvaluatorSpec, Verdict, hookimpl

def evaluate(evidence):
    import marks
    return Verdict(criterion="DB", status="graded", reward=marks.BEST)

@hookimpl
def tau2_evaluators():
    return [EvaluatorSpec("marking.db", "marking", "DB", evaluate),
            EvaluatorSpec("marking.said", "marking", "COMMUNICATE", evaluate)]
"""
AGENT = """
from pathlib import Path
from tau2_core import AgentSpec, AssistantMessage, hookimpl

class Reader:
    def __init__(self, context):
        self.text = (Path(__file__).parent / "prompt.txt").read_text()

    async def reply(self, history):
        return AssistantMessage(content=self.text)

@hookimpl
def tau2_agents():
    return [AgentSpec("reader", "reads its prompt", Reader)]
"""


def _refused(gym: Gym, change: Callable[[], object], name: str, *arguments: object, **more: object) -> None:
    """Run, change something, and check that the run can neither be resumed nor compared."""
    assert gym("run", "mock", *arguments, "--name", "a", **more).returncode == 0
    again = gym("run", "mock", *arguments, "--name", "a", "--resume", **more)
    assert again.returncode == 0, again.stderr
    change()
    resumed = gym("run", "mock", *arguments, "--name", "a", "--resume", **more)
    assert (resumed.returncode, f"another run: {name} was" in resumed.stderr) == (1, True), resumed.stderr
    assert gym("run", "mock", *arguments, "--name", "b", **more).returncode == 0
    compared = gym("compare", "runs/a", "runs/b", **more)
    assert (compared.returncode, f"  {name}: " in compared.stderr) == (2, True), compared.stderr


class TestThePack:
    @pytest.fixture(autouse=True)
    def _names(self, gym: Gym, mock_copy: Path) -> None:
        self.gym, self.pack = gym, mock_copy
        self.arguments = ("--pack", mock_copy, "--agent", "silent", *ONE)

    def test_files_of_any_suffix_are_digested(self) -> None:
        prices = self.pack / "data" / "prices.csv"
        prices.write_text("a,1\n")
        _refused(self.gym, lambda: prices.write_text("a,2\n"), "digests.pack", *self.arguments)

    def test_files_behind_links_are_digested(self, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "prices.csv").write_text("a,1\n")
        (self.pack / "more").symlink_to(elsewhere)
        (self.pack / "more" / "loop").symlink_to(elsewhere)
        _refused(self.gym, lambda: (elsewhere / "prices.csv").write_text("a,2\n"), "digests.pack", *self.arguments)

    def test_data_outside_the_pack_are_digested(self, tmp_path: Path) -> None:
        data = tmp_path / "outside.yaml"
        shutil.move(self.pack / "data" / "db.yaml", data)
        manifest = self.pack / "domain.yaml"
        manifest.write_text(manifest.read_text().replace("data: data/db.yaml", "data: ../outside.yaml"))
        _refused(self.gym, lambda: data.write_text(f"{data.read_text()}\n# changed\n"), "digests.pack", *self.arguments)

    @pytest.mark.parametrize(
        ("imported", "regular"),
        [("import shop_rules", True), ("from shop_rules import prices", False), ("import shop_rules.prices", False)],
    )
    def test_imported_modules_are_digested(self, tmp_path: Path, imported: str, regular: bool) -> None:
        shared = tmp_path / "shared_code"
        (shared / "shop_rules").mkdir(parents=True)
        if regular:
            (shared / "shop_rules" / "__init__.py").write_text("from shop_rules import prices\n")
        (shared / "shop_rules" / "prices.py").write_text("LIMIT = 1\n")
        handlers = self.pack / "handlers" / "users.py"
        handlers.write_text(f"{handlers.read_text()}\n\ndef _limit() -> None:\n    {imported}\n")
        change = lambda: (shared / "shop_rules" / "prices.py").write_text("LIMIT = 2\n")  # noqa: E731
        _refused(self.gym, change, "digests.pack", *self.arguments, paths=[shared])

    def test_leftovers_of_editors_are_not_digested(self) -> None:
        assert self.gym("run", "mock", *self.arguments, "--name", "a").returncode == 0
        for name in (".DS_Store", "._domain.yaml", "data/db.yaml~", ".ipynb_checkpoints/db.yaml"):
            (self.pack / name).parent.mkdir(exist_ok=True)
            (self.pack / name).write_text("x")
        again = self.gym("run", "mock", *self.arguments, "--name", "a", "--resume")
        assert again.returncode == 0, again.stderr


@pytest.mark.domain("mock")
class TestPlugins:
    def test_wrappers_and_their_imports_are_digested(self, gym: Gym, plugin: Plugin) -> None:
        site = plugin("wrapping", WRAPPER)
        (site / "wording.py").write_text("TEXT = 1\n")
        change = lambda: (site / "wording.py").write_text("TEXT = 2\n")  # noqa: E731
        arguments = ("--agent", "silent", *ONE)
        _refused(gym, change, "digests.plugins.tool_call", *arguments, paths=[site])

    def test_the_prompt_of_an_agent_may_differ_between_runs_that_are_compared(self, gym: Gym, plugin: Plugin) -> None:
        site = plugin("announced", "from reading.agent import tau2_agents\n")
        package = site / "reading"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "agent.py").write_text(AGENT)
        (package / "prompt.txt").write_text("Hello.")
        arguments = ("run", "mock", "--agent", "reader", *ONE, "--max-steps", 4)
        assert gym(*arguments, "--name", "a", paths=[site]).returncode == 0
        (package / "prompt.txt").write_text("Good day.")
        resumed = gym(*arguments, "--name", "a", "--resume", paths=[site])
        assert (resumed.returncode, "digests.plugins.agent was" in resumed.stderr) == (1, True), resumed.stderr
        assert gym(*arguments, "--name", "b", paths=[site]).returncode == 0
        compared = gym("compare", "runs/a", "runs/b", paths=[site])
        assert (compared.returncode, "differs: digests.plugins.agent: " in compared.stdout) == (0, True), (
            compared.stdout
        )

    def test_toolsets_are_digested(self, gym: Gym, plugin: Plugin) -> None:
        site = plugin("more_tools", TOOLSET)
        package = site / "more"
        (package / "handlers").mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "handlers" / "asking.py").write_text("def ask(db: object) -> str:\n    return 'yes'\n")
        (package / "tools.yaml").write_text("ask: {description: Ask., kind: read, handler: asking:ask}\n")
        change = lambda: (package / "notes.csv").write_text("2")  # noqa: E731
        _refused(gym, change, "digests.pack", "--agent", "silent", *ONE, paths=[site])

    def test_evaluators_of_sets_and_files_are_digested(self, gym: Gym, plugin: Plugin, tmp_path: Path) -> None:
        site = plugin("marking", EVALUATOR)
        (site / "marks.py").write_text("BEST = 1.0\n")
        change = lambda: (site / "marks.py").write_text("BEST = 1.00\n")  # noqa: E731
        arguments = ("--agent", "silent", *ONE, "--evaluators")
        _refused(gym, change, "digests.plugins.evaluators", *arguments, "marking", paths=[site])
        (tmp_path / "evaluation.yaml").write_text("extends: tau2\nevaluators: {DB: {use: marking:evaluate}}\n")
        assert gym("run", "mock", *arguments, "evaluation.yaml", "--name", "c", paths=[site]).returncode == 0
        (site / "marks.py").write_text("BEST = 1.000\n")
        resumed = gym("run", "mock", *arguments, "evaluation.yaml", "--name", "c", "--resume", paths=[site])
        assert (resumed.returncode, "another run: evaluators was" in resumed.stderr) == (1, True), resumed.stderr


@pytest.mark.domain("mock")
def test_plugins_that_take_part_are_named_with_their_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tau2_core.evaluate("mock", agent="silent", tasks=["complete_task"], name="a")
    now = f"tau2-domain-mock {version('tau2-domain-mock')}"
    assert run.configuration["plugins"] == {"core": "tau2-core", "mock": now}
    file = run.folder / "run.json"
    file.write_text(file.read_text().replace(now, "tau2-domain-mock 0.0.1"))
    with pytest.raises(tau2_core.RunError, match=rf"plugins\.mock was 'tau2-domain-mock 0\.0\.1' and is now '{now}'"):
        tau2_core.evaluate("mock", agent="silent", tasks=["complete_task"], name="a", resume=True)
