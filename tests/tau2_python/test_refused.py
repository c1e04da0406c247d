"""What cannot be wrapped is refused before anything is played, with the module, the value and the next step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from .conftest import DOMAINS, TARGET, Tau2

# Targets that name nothing usable.
TARGETS = {
    "bookshop environment": "should read MODULE or MODULE:FACTORY, such as bookshop.environment:get_environment",
    "bookshop.enviroment": "module bookshop.enviroment cannot be imported: ModuleNotFoundError: No module named "
    "'bookshop.enviroment'; install its package (pip install -e FOLDER), or add its folder to PYTHONPATH",
    "bookshop": "module bookshop has no function 'get_environment' (there are none); name another as bookshop:FACTORY",
    "bookshop.environment:get_enviroment": "module bookshop.environment has no function 'get_enviroment' (did you mean "
    "'get_environment'?); name another as bookshop.environment:FACTORY",
}
# Domains that offer something else than they should; each is the end of a module, after that of the bookshop.
CODE = {
    "import no_such_library": (
        "module corner cannot be imported: ModuleNotFoundError: No module named 'no_such_library'; "
        "install what it needs, such as tau2-bench itself, or correct it"
    ),
    "raise SystemExit(3)": "module corner cannot be imported: SystemExit: 3",
    "def get_environment(place): return original()": (
        "its factory raised TypeError: get_environment() missing 1 required positional argument: "
        "'place'; correct it, so that it can be called without arguments"
    ),
    "def get_environment(): return 1 / 0": "its factory raised ZeroDivisionError: division by zero",
    "def get_environment(): return {'tools': 1}": (
        "its factory returned a dict, which has no `tools`; it should return an Environment of tau2-bench"
    ),
    "def get_environment():\n  shop = original(); shop.tools = [len]; return shop": (
        "its `tools` are a list without get_tools, use_tool; they should be a ToolKitBase of tau2-bench"
    ),
    "def get_environment():\n  shop = original(); shop.user_tools.db = {'a': 1}; return shop": (
        "the database of its `user_tools` is a dict; it should be a pydantic model, such as a DB of tau2-bench"
    ),
    (
        "class Odd(ShopTools):\n"
        "  get_tools = lambda self: {'len': len}\n"
        "def get_environment():\n"
        "  shop = original(); shop.tools = Odd(shop.tools.db); return shop"
    ): (
        "its `tools`: tool <built-in function len> has no usable `openai_schema`: AttributeError: "
        "'builtin_function_or_method' object has no attribute 'openai_schema'; mark it with `is_tool`, "
        "and annotate its parameters"
    ),
    "def get_environment():\n  shop = original(); shop.policy = None; return shop": (
        "the `policy` of its environment is None; it should be a text"
    ),
    "def get_environment():\n  shop = original(); shop.domain_name = 'my shop'; return shop": (
        "the `domain_name` of its environment is 'my shop'; it should be a word of letters, digits, `_` and `-`"
    ),
    "del get_tasks": (
        "module corner has no function 'get_tasks'; write one that returns its tasks, next to the factory"
    ),
    "def get_tasks(): return 5": "its get_tasks returned int; it should return a list of tasks",
    "def get_tasks(): return []": "its get_tasks returned no task; write at least one",
    "def get_tasks(): raise OSError('no disk')": "get_tasks of module corner raised OSError: no disk",
    "def get_tasks(): return [{'id': 't'}]": (
        "task 0 (id 't'): user_scenario: Field required; correct it as tau2-bench's Task has it"
    ),
    "def get_tasks(): return [7]": (
        "task 0 cannot be read: AttributeError: 'int' object has no attribute 'model_dump'; it should be "
        "a Task or a dict"
    ),
    "def get_tasks(): return [dict(id='t', user_scenario=dict(instructions=''))] * 2": "two tasks have the id 't'",
    (
        "def get_tasks(): return [dict(id='t', user_scenario=dict(instructions=''), "
        "evaluation_criteria=dict(env_assertions=[dict(env_type='user', func_name='assert_on_shelve', "
        "arguments={})]))]"
    ): (
        "task 't' names the function 'assert_on_shelve', which its `user_tools` lack (did you mean "
        "'assert_on_shelf'?); correct the task, or add the method"
    ),
    "def get_tasks_split(): return {'base': ['bye']}": (
        "its split 'base' names task 'bye', which get_tasks does not return (did you mean 'buy'?); correct the split"
    ),
    "def get_tasks_split(): return ['buy']": (
        "its splits: Input should be a valid dictionary; a split is a name with a list of task ids"
    ),
}


def told(done: CompletedProcess[str], folder: Path) -> str:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert not (folder / "runs").exists()
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_is_no_domain(tau2: Tau2, tmp_path: Path, target: str) -> None:
    assert f"--pack-tau2 {target}: {TARGETS[target]}" in told(tau2("run", "bookshop", target=target), tmp_path)


@pytest.mark.parametrize("code", CODE)
def test_a_domain_that_offers_something_else(
    tau2: Tau2, tmp_path: Path, variant_of: Callable[..., Path], code: str
) -> None:
    done = tau2("run", "bookshop", target="corner", paths=(variant_of(code),))
    assert f"--pack-tau2 corner: {CODE[code]}" in told(done, tmp_path)


@pytest.mark.domain("mock")
def test_a_name_that_an_installed_pack_has(tau2: Tau2, tmp_path: Path, variant_of: Callable[..., Path]) -> None:
    code = "def get_environment():\n  shop = original(); shop.domain_name = 'mock'; return shop"
    site = variant_of(code)
    done = tau2("run", "mock", target="corner", paths=(site,))
    what = "--pack-tau2 corner: the domain is named 'mock', as is the installed pack of tau2-domain-mock"
    found = told(done, tmp_path)
    assert what in found
    assert "block that one: --no-plugin mock" in found
    assert tau2("run", "mock", "--no-plugin", "mock", target="corner", paths=(site,)).returncode == 0


def test_options_that_do_not_fit(tau2: Tau2, gym: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    shutil.copytree(DOMAINS / "bookshop" / "data", tmp_path / "checkout" / "data" / "tau2" / "domains" / "bookshop")
    dataset = tau2("run", "bookshop", "--dataset", tmp_path / "checkout")
    assert "which brings its own data: leave the dataset out" in told(dataset, tmp_path)
    fixed = tau2("check", "--fix")
    assert "name them, or give their folders with --pack" in told(fixed, tmp_path)
    fixed = tau2("check", "bookshop", "--fix")
    assert f"write them first: tau2-gym new NAME --from-tau2 {TARGET}" in told(fixed, tmp_path)
    both = gym("new", "shop", "--from-tau2", TARGET, "--minimal", paths=[DOMAINS])
    assert "exclude each other: give only one of them" in told(both, tmp_path)
    taken = gym("new", "bookshop", "--from-tau2", TARGET, paths=[DOMAINS])
    assert "there is already a Python module 'bookshop': choose another name" in told(taken, tmp_path)
    missing = gym("new", "shop", "--from-tau2", "bookshop.nowhere", paths=[DOMAINS])
    assert "--from-tau2 bookshop.nowhere: module bookshop.nowhere cannot be imported" in told(missing, tmp_path)
    assert not (tmp_path / "shop").exists()
