"""Serve the gym on localhost, with the arguments that eval-protocol passes to a server (spec/mcp_gym.md, 7)."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser

DEFAULT_PORT = 9700


def command(arguments: list[str]) -> list[str]:
    """Return the equivalent arguments of `tau2-gym`; all domains if none is given."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", DEFAULT_PORT)))
    parser.add_argument("--domain", help="the domain of sessions whose config specifies none")
    parsed = parser.parse_args(arguments)
    return ["serve", *([parsed.domain] if parsed.domain else []), "--host", "localhost", "--port", str(parsed.port)]


if __name__ == "__main__":
    from tau2_core.cli.app import main

    sys.argv[1:] = command(sys.argv[1:])
    main()
