"""`python -m benchmarks [SECTION…]`: the cost of environments, calls, grades, rollouts and a server.

The sections are the names of the domains, and:

- `imports`: CPU seconds of a start, and the size of a light install, which pip fetches
- `search`: BM25 compared with rank-bm25 (from the extra `dev`), over the pack's documents or those of `--dataset`
- `grading`: official result files, from `--simulations` (default: ../shared)
- `regrading`: `--conversations` copies of their conversations (default: 100,000), on all cores
- `customers`: faults of the simulated customers in official result files
- `checked_customers`: what `--user-check` costs and finds, with a customer that errs at a known rate
- `judges`: how often intervals about scripted judges contain the true value
- `train`: environments for training, compared with those of tau2-bench if `--tau2-bench` names a folder with its
  package, or an interpreter that has it
- `equality`: the same episodes by every interface. `--openenv` and `--verifiers` add two interfaces, with the given
  interpreter or in a new environment.
- `view`: the workbench with 20,000 episodes, and Inspect View, which pip fetches unless TAU2_GYM_INSPECT names an
  environment that has it
- `scale`: reading a run of `--episodes` (default: a million, which needs some GB of disk)
- `trees`: this source tree compared with another, `--before DIR`: CPU time of the same work in alternating rounds, and
  the functions that it enters
- `gym`, `serve` (worker processes), `llm`, `executors`: these take minutes and need an otherwise idle machine
- `attack`: attack a server of its own on loopback for `--minutes`
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.imports import install_figures, start_figures
from benchmarks.measure import Figure, domain_figures

DOMAINS = ("airline", "banking_knowledge", "mock", "retail", "telecom")


def main(
    sections: list[str],
    simulations: Path | None,
    minutes: float = 1.0,
    openenv: str | None = None,
    verifiers: str | None = None,
    episodes: int = 1_000_000,
    before: Path | None = None,
    tau2_bench: Path | None = None,
    environments: list[int] | None = None,
    conversations: int = 100_000,
    dataset: Path | None = None,
) -> None:
    """Measure the given sections, by default the domains and the imports, and print a table for each."""
    screen = Console(width=130)
    for section in sections:
        if section == "imports":
            screen.print(_table("imports: CPU seconds of a process, from start to end", start_figures()))
            screen.print(_table("light install", install_figures()))
        elif section == "gym":
            _gym(screen)
        elif section == "serve":
            _serve(screen)
        elif section == "attack":
            from benchmarks.attack import attack_figures

            screen.print(_table(f"attack: {minutes:g} minutes, all at once", attack_figures(minutes)))
        elif section == "grading":
            from benchmarks.grading import SIMULATIONS, grading_figures

            screen.print(_table("grading: official result files", grading_figures(simulations or SIMULATIONS)))
        elif section == "regrading":
            from benchmarks.grading import SIMULATIONS
            from benchmarks.regrading import regrading_figures

            figures = regrading_figures(simulations or SIMULATIONS, conversations)
            screen.print(_table("regrading: rates, and CPU time for each conversation", figures))
        elif section == "equality":
            _equality(screen, openenv, verifiers)
        elif section == "customers":
            from benchmarks.customers import customer_tables
            from benchmarks.grading import SIMULATIONS

            screen.print(*customer_tables(simulations or SIMULATIONS), sep="\n")
        elif section == "checked_customers":
            from benchmarks.checked_customers import checked_table

            screen.print(checked_table())
        elif section == "judges":
            from benchmarks.judges import judge_table

            screen.print(judge_table())
        elif section == "trees":
            from benchmarks.trees import compare_trees

            if before is None:
                raise SystemExit("trees: give the other tree with --before DIR, such as a git worktree")
            screen.print(*compare_trees(before), sep="\n\n")
        elif section == "view":
            from benchmarks.view import view_figures

            screen.print(_table("view: a run of 20,000 episodes, and Inspect View", view_figures()))
        elif section == "scale":
            from benchmarks.scale import scale_figures

            screen.print(_table(f"scale: a run of {episodes:,} episodes, CPU seconds", scale_figures(episodes)))
        elif section == "train":
            from benchmarks.train import SIZES, train_figures

            figures, remark = train_figures(environments or SIZES, tau2_bench)
            screen.print(_table("train: retail, environments of one process", figures))
            if remark:
                screen.print(escape(remark), soft_wrap=True)
        elif section == "search":
            from benchmarks.search import search_figures

            figures, remark = search_figures(dataset)
            screen.print(_table("search: BM25 over the documents of banking_knowledge", figures))
            screen.print(remark)
        elif section == "executors":
            from benchmarks.executors import executor_figures

            screen.print(_table("executors: retail, in one process and by workers", executor_figures()))
        elif section == "llm":
            from benchmarks.llm import CONCURRENCY, EPISODES, LATENCY, llm_figures

            for provider in EPISODES:
                each = f"{CONCURRENCY} episodes at once, each answer after {LATENCY * 1e3:g} ms"
                screen.print(_table(f"llm: retail, models of {provider}/, {each}", llm_figures(provider)))
        else:
            screen.print(_table(f"{section}: own data, own tasks", domain_figures(section)))
    screen.print("tau2-bench: as measured on a 2-core machine of this kind. ×: how many times better tau2-gym is.")


def _equality(screen: Console, openenv: str | None, verifiers: str | None) -> None:
    from benchmarks.environments import interpreter
    from benchmarks.equality import DOMAINS, equality
    from benchmarks.equality.by_openenv import PACKAGE, by_openenv
    from benchmarks.equality.by_verifiers import PACKAGES, by_verifiers
    from benchmarks.equality.played import Interface

    more: dict[str, Interface] = {}
    with ExitStack() as stack:
        if openenv is not None:
            more["openenv"] = by_openenv(stack.enter_context(interpreter(openenv, PACKAGE)))
        if verifiers is not None:
            packs = [str(Path("domains") / domain) for domain in DOMAINS]
            more["verifiers"] = by_verifiers(stack.enter_context(interpreter(verifiers, *PACKAGES, *packs)))
        rows = equality(more)
    table = Table(title="the same episodes by every interface")
    for title in ("domain", "agent", "task", *rows[0].interfaces, "rewards equal", "records equal"):
        table.add_column(title)
    for row in rows:
        rewards = ["–" if done.reward is None else f"{done.reward:g}" for done in row.interfaces.values()]
        equal = ["yes" if each else "NO" for each in (row.rewards_equal, row.records_equal)]
        table.add_row(row.domain, row.agent, escape(row.task_id), *rewards, *equal)
    screen.print(table)
    unequal = sum(not (row.rewards_equal and row.records_equal) for row in rows)
    screen.print(f"{len(rows)} episodes, {unequal} of them unequal")
    if unequal:
        raise SystemExit(1)


def _gym(screen: Console) -> None:
    from benchmarks.gym import EPISODES, compare

    rows, megabytes = compare()
    titles = ("protocol", "sessions", "calls/s", "bare", "ratio", "set-up ms", "bare", "ratio")
    table = Table(*titles, title="gym: compared with a bare SDK server (aims: ratio of calls ≥ 0.9, of set-up ≤ 1.1)")
    for row in rows:
        table.add_row(*row.row())
    screen.print(table)
    screen.print(f"{EPISODES} open retail episodes: {megabytes:.1f} MB above the idle server (aim ≤ 100)")


def _serve(screen: Console) -> None:
    from benchmarks.serve import serve_figures

    rows, limit = serve_figures()
    titles = ("workers", "calls/s", "ratio", "server µs per call", "client µs per call", "ratio by CPU time")
    table = Table(*titles, title="serve: one process, and several behind one port (aim: ratio ≥ 1.7 with 2)")
    for row in rows:
        table.add_row(*row)
    screen.print(table)
    screen.print(limit)


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name, justify in (
        ("what", "left"),
        ("ours", "right"),
        ("aim", "right"),
        ("tau2-bench", "right"),
        ("×", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        table.add_row(*figure.row())
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("sections", nargs="*", default=[*DOMAINS, "search", "imports"])
    parser.add_argument(
        "--simulations", type=Path, help="the folder of official result files, with a subfolder per domain"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long `attack` attacks")
    parser.add_argument("--openenv", nargs="?", const="", metavar="PYTHON", help="also play with OpenEnv's client")
    parser.add_argument(
        "--verifiers", nargs="?", const="", metavar="PYTHON", help="also play with vf-eval of verifiers"
    )
    parser.add_argument("--episodes", type=int, default=1_000_000, help="how many episodes `scale` reads")
    parser.add_argument("--conversations", type=int, default=100_000, help="how many `regrading` grades")
    parser.add_argument(
        "--before", type=Path, metavar="DIR", help="the source tree that `trees` compares with this one"
    )
    parser.add_argument("--tau2-bench", type=Path, metavar="PATH", help="its package, which `train` also measures")
    parser.add_argument("--environments", type=int, nargs="+", metavar="N", help="sizes of the vectors of `train`")
    parser.add_argument("--dataset", type=Path, help="a checkout of tau2-bench with the documents for `search`")
    arguments = parser.parse_args()
    main(**vars(arguments))
