"""Tables of results: as many columns as fit the screen, with a legend."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from tau2_core.cli.judge_view import trust_lines
from tau2_core.cli.safe_text import safe
from tau2_core.records.judge_trust import JudgeTrust
from tau2_core.records.reasons import reasons
from tau2_core.records.verdict_text import NOT_IN_REWARD, SIGNS, verdict_sign
from tau2_core.terminal_text import printable_line

if TYPE_CHECKING:
    from tau2_core.model.evaluation import Grade
    from tau2_core.model.runs import RunSummary
    from tau2_core.runs.execute import FinishedEpisode, RunResult

PIPED_WIDTH = 140
LEAST_TASK = 24  # minimum width of the task column, before other columns are omitted
SHOWN_REASONS = 3
SHOWN_K = 8  # pass^k for k up to this, and for the last k; --json has all
GAP = 2
MOST_EPISODES = 2000  # criteria with a row each
FIGURES = ("calls", "errors", "ms")


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error as without rich, instead of ending the process here."""
        raise BrokenPipeError(errno.EPIPE, "the reader has closed the pipe")


def console() -> Console:
    """Return the console for tables. The width is `COLUMNS`, else that of the terminal, else 140."""
    return _Screen(width=None if _wraps() else PIPED_WIDTH, highlight=False)


def _wraps() -> bool:
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def folding_table(titles: Sequence[str], names: Iterable[str]) -> Table:
    """Return a table that folds wide cells and cuts nothing off; the first column is folded last."""
    longest = max(map(cell_len, names), default=0)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, overflow="fold", no_wrap=number == 0 and longest <= console().width * 2 // 5)
    return table


def show_run(result: RunResult) -> None:
    """Print a row per episode, why episodes were not solved, and the figures of the run."""
    screen = console()
    summary = result.summary
    if summary.finished <= MOST_EPISODES:
        finished = list(result.episodes())
        show_episodes(finished, screen)
        show_unsolved(finished, screen)
    else:
        too_many = f"{summary.finished:,} episodes are too many for a row each"
        screen.print(f"{too_many}: tau2-gym report {safe(summary.folder)}", soft_wrap=True)
    show_summary(result, screen)


def show_episodes(finished: Sequence[FinishedEpisode], screen: Console) -> None:
    """Print a row per episode, and a legend.

    Every criterion has a column. On a narrow screen columns are omitted: criteria that no task names, then time and
    counts. If that is not enough, one column lists the unmet criteria.
    """
    if not finished:
        return
    criteria = list(dict.fromkeys(name for item in finished for name in item.grade.verdicts))
    named = [name for name in criteria if any(_mark(item, name) not in ("·", "") for item in finished)]
    widest = max(cell_len(printable_line(item.record.task_id)) for item in finished)
    for columns, figures in ((criteria, FIGURES), (named, FIGURES), (named, ("calls",)), (named, ())):
        fixed = [len(title) for title in ("trial", "reward", *columns, *figures)]
        fixed[-1 if "ms" in figures else 0] += 3 if "ms" in figures else 0  # milliseconds are wider than their title
        if sum(fixed) + GAP * len(fixed) + min(widest, LEAST_TASK) <= screen.width:
            break
    else:
        _show_transposed(finished, named, screen)
        return
    room = screen.width - sum(fixed) - GAP * len(fixed)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("task", overflow="fold")
    for title in ("trial", "reward", *columns, *figures):
        table.add_column(safe(title), justify="right", no_wrap=True)
    for item in finished:
        marks = [_dimmed(_mark(item, name), counts=name in item.grade.basis) for name in columns]
        counts = {
            "calls": str(item.record.tool_calls),
            "errors": str(sum(item.record.tool_errors.values())),
            "ms": f"{item.seconds * 1000:.1f}",
        }
        task, *rest = _head(item)
        table.add_row(folded_at_joints(task, room), *rest, *marks, *(counts[name] for name in figures))
    screen.print(table)
    _show_legend({_mark(item, name) for item in finished for name in columns}, finished, columns, screen)


def folded_at_joints(name: str, width: int) -> str:
    """Break a name that is wider than its column between its parts."""
    lines = []
    while len(name) > width and (cut := max(name.rfind(joint, 0, width) for joint in "_-.|]") + 1):
        lines.append(name[:cut])
        name = name[cut:]
    return "\n".join([*lines, name])


def _show_transposed(finished: Sequence[FinishedEpisode], criteria: Sequence[str], screen: Console) -> None:
    """Print a row per episode, with a list of unmet criteria instead of a column for each."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("task", overflow="fold", ratio=3)
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("reward", justify="right", no_wrap=True)
    table.add_column("not met", overflow="fold", ratio=4)
    signs: set[str] = set()
    for item in finished:
        marks = {name: _mark(item, name) for name in criteria}
        open_ones = {name: sign for name, sign in marks.items() if sign in ("✗", "…", "!")}
        signs |= {sign for sign in open_ones.values() if sign != "✗"}
        named = [
            _dimmed(safe(name if sign == "✗" else f"{name} {sign}"), counts=name in item.grade.basis)
            for name, sign in open_ones.items()
        ]
        table.add_row(*_head(item), ", ".join(named))
    screen.print(table)
    _show_legend(signs, finished, criteria, screen)


def _head(item: FinishedEpisode) -> tuple[str, str, str]:
    grade = item.grade
    colour = "yellow" if grade.pending else "green" if grade.solved else "red"
    reward = f"[{colour}]{reward_text(grade.reward)}{'*' if grade.pending else ''}[/]"
    return safe(item.record.task_id), str(item.record.trial), reward


def reward_text(reward: float | None) -> str:
    """Return a reward with one decimal, or two for a fraction, which is never shown as 0 or 1."""
    if reward is None:
        return "–"
    if reward in (0.0, 1.0):
        return f"{reward:.1f}"
    return f"{min(max(reward, 0.01), 0.99):.2f}"


def _mark(item: FinishedEpisode, criterion: str) -> str:
    """Return a verdict as one character, "" if there is none."""
    return verdict_sign(item.grade.verdicts.get(criterion))


def _dimmed(text: str, *, counts: bool) -> str:
    return text if counts else f"[dim]{text}[/dim]"


def _show_legend(signs: set[str], finished: Sequence[FinishedEpisode], columns: Sequence[str], screen: Console) -> None:
    parts = [f"{each} {meaning}" for each, meaning in SIGNS.items() if each in signs]
    beside = [name for name in columns if all(name not in item.grade.basis for item in finished)]
    legend = [", ".join(parts)] if parts else []
    if beside:
        legend.append(f"{NOT_IN_REWARD}: {', '.join(map(safe, beside))}")
    if legend:
        screen.print(f"[dim]{'; '.join(legend)}[/dim]")


def is_open(grade: Grade) -> bool:
    """Tell whether a grade needs an explanation: it is not solved, or awaits a judge."""
    return bool(grade.pending) or not grade.solved


def show_unsolved(finished: Iterable[FinishedEpisode], screen: Console) -> None:
    """Print why episodes were not solved (the path, the call or the text), and those that await a judge."""
    unsolved = [item for item in finished if is_open(item.grade)]
    if not unsolved:
        return
    pending = any(item.grade.solved for item in unsolved)
    screen.print(f"\n[bold]Not solved{', or pending' if pending else ''}[/bold]")
    for item in unsolved:
        found = reasons(item.grade)
        shown = found[:SHOWN_REASONS] or [f"pending: {', '.join(item.grade.pending)}"]
        more = f" (and {len(found) - SHOWN_REASONS} more)" if len(found) > SHOWN_REASONS else ""
        text = "; ".join(map(safe, shown)) + more
        line = f"{safe(item.record.slot)}: {text}"
        if _wraps():
            screen.print(Padding(line, (0, 0, 0, 2)))
        else:  # one line per episode, for programs that read lines
            screen.print(f"  {line}", soft_wrap=True)


def show_summary(result: RunResult, screen: Console) -> None:
    """Print the figures of a run."""
    summary = result.summary
    whole = summary.finished == summary.slots
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(summary.outcomes.items()))
    dataset = f" · dataset {safe(summary.dataset)}" if summary.dataset else ""
    screen.print(
        f"\n[bold]{safe(summary.domain)}[/bold] · agent {safe(summary.agent)} · user {safe(summary.user)} · "
        f"evaluators {safe(summary.evaluators)}{dataset}",
        soft_wrap=True,
    )
    played = f"{summary.slots} episodes" if whole else f"{summary.finished} of {summary.slots} episodes"
    parts = [played, *_means(result), outcomes, f"coverage {summary.coverage:.0%}"]
    screen.print(" · ".join(filter(None, parts)), soft_wrap=True)
    if len(summary.pass_hat_k) > 1:
        shown = {k: value for k, value in summary.pass_hat_k.items() if k <= SHOWN_K or k == max(summary.pass_hat_k)}
        screen.print(" · ".join(f"pass^{k} {value:.4f}" for k, value in shown.items()))
    if summary.pending:
        screen.print("* counts what is graded; pending criteria await a judge")
    if summary.usage:
        screen.print(_cost(summary), soft_wrap=True)
        cut_off = [f"{safe(role)} {usage.cut_off}" for role, usage in summary.usage.items() if usage.cut_off]
        if cut_off:
            screen.print(f"answers cut off by the token limit: {', '.join(cut_off)}", soft_wrap=True)
    for line in trust_lines(JudgeTrust.model_validate(summary.judge)) if summary.judge else ():
        screen.print(safe(line), soft_wrap=True)
    screen.print(
        f"{summary.tool_calls} tool calls, {summary.tool_errors} failed · {_pace(result)} · {safe(summary.folder)}",
        soft_wrap=True,
    )


def _means(result: RunResult) -> list[str]:
    """Return the mean reward; for a stopped run, both over the played episodes and over all slots."""
    summary = result.summary
    if summary.mean_reward is None:
        return ["mean reward –"]
    mean = f"[bold]{summary.mean_reward:.4f}[/bold]"
    if summary.finished == summary.slots:
        return [f"mean reward {mean}"]
    if not summary.finished:
        return [f"mean reward {mean} over all slots, none of which was played"]
    played = f"[bold]{summary.mean_reward * summary.slots / summary.finished:.4f}[/bold]"
    return [f"mean reward {played} over the {summary.finished} played, {mean} over all {summary.slots}"]


def _pace(result: RunResult) -> str:
    """Return duration and speed, without the episodes from before a resume."""
    seconds = result.summary.duration_seconds
    now = result.now
    rate = f" ({now / seconds:.0f} episodes/s)" if seconds and now else ""
    before = result.summary.finished - now
    return f"{seconds:.2f} s{rate}" + (f", {before} episodes taken over" if before and now else "")


def _cost(summary: RunSummary) -> str:
    costs = {role: usage.cost for role, usage in summary.usage.items()}
    known = [cost for cost in costs.values() if cost is not None]
    if not known:
        return "cost unknown: no price of these models is known"
    total = dollars(sum(known)) if len(known) == len(costs) else "unknown"
    return f"cost {total} (" + ", ".join(f"{safe(role)} {dollars(cost)}" for role, cost in costs.items()) + ")"


def dollars(cost: float | None) -> str:
    """Return an amount in dollars, without rounding small amounts to 0."""
    if cost is None:
        return "unknown"
    return f"${cost:.2g}" if 0 < cost < 0.001 else f"${cost:.4f}"
