"""Virtual environments for packages that cannot be installed together with ours."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def interpreter(given: str, *requirements: str) -> Iterator[Path]:
    """Return an interpreter that has the requirements: `given`, or if that is empty, one of a new environment."""
    if given:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        yield python
