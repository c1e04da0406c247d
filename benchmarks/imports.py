"""The cost of starting: CPU seconds and modules of imports and of `--help`, and the size of a light install."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.measure import Figure

CORE = Path(__file__).parents[1] / "core"
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
REPEATS = 9
HELP = "import sys; sys.argv = ['tau2-gym', '--help']; from tau2_core.cli.app import main; main()"
READING = "import tau2_core.records.compare, tau2_core.records.report"


def start_figures() -> list[Figure]:
    """Return CPU seconds (user and system) and modules of Python itself, imports and `--help`; medians of nine."""
    python = str(Path(sys.executable))
    command = str(Path(sys.executable).parent / "tau2-gym")
    return [
        Figure("Python itself", _cpu_seconds(python, "-c", "pass"), "s"),
        Figure("import tau2_core", _cpu_seconds(python, "-c", "import tau2_core"), "s", 0.25),
        Figure("  modules", _modules("import tau2_core"), ""),
        Figure("import of the modules that report and compare runs", _cpu_seconds(python, "-c", READING), "s", 0.25),
        Figure("  modules", _modules(READING), ""),
        Figure("tau2-gym --help", _cpu_seconds(command, "--help"), "s", 0.25, 5.0),
        Figure("  modules", _modules(HELP), ""),
    ]


def install_figures() -> list[Figure]:
    """Return the megabytes and packages that `pip install tau2-core` adds to an environment with only pip."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        before = _installed(Path(folder))
        pip = str(next(Path(folder).glob("*/pip*")))
        told = [pip, "install", "-qq", "--disable-pip-version-check", "-c", str(CONSTRAINTS), str(CORE)]
        subprocess.run(told, check=True)
        after = _installed(Path(folder))
    return [
        Figure("pip install tau2-core", (after[0] - before[0]) / 1e6, "MB", 120),
        Figure("  packages, including itself", after[1] - before[1], ""),
    ]


def _cpu_seconds(*command: str) -> float:
    seconds = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(seconds)


def _modules(code: str) -> int:
    told = f"import atexit, sys; atexit.register(lambda: print(len(sys.modules), file=sys.stderr))\n{code}"
    return int(subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True).stderr)


def _installed(environment: Path) -> tuple[int, int]:
    """Return the bytes of all files in an environment, including compiled ones, and its number of packages."""
    files = [file for file in environment.rglob("*") if file.is_file() and not file.is_symlink()]
    return sum(file.stat().st_size for file in files), len(list(environment.rglob("*.dist-info")))
