"""`python -m benchmarks.llm_endpoint DOMAIN SECONDS`: plays a domain's gold in every role, with a delay per answer.

Prints its URL, and ends when its standard input is closed.
"""

from __future__ import annotations

import sys

from tau2_core.runs.loading import load_setting, open_catalogue
from tau2_core.testing.gold_script import GoldScript
from tau2_core.testing.scripted_endpoint import ScriptedEndpoint

if __name__ == "__main__":
    domain, seconds = sys.argv[1], float(sys.argv[2])
    script = GoldScript.of(load_setting(open_catalogue(), domain))
    with ScriptedEndpoint(script, latency=seconds, keep=False) as endpoint:
        print(endpoint.url, flush=True)
        sys.stdin.read()
        if endpoint.failures:
            sys.exit(f"{len(endpoint.failures)} requests could not be answered, first: {endpoint.failures[0]!r}")
