"""For the tests of others: a server that their harness can launch."""

from pathlib import Path


def server_script() -> Path:
    """Return a script that serves the gym: `python SCRIPT --port N [--domain NAME]`, or with the port in `PORT`."""
    return Path(__file__).with_name("server_script.py")
