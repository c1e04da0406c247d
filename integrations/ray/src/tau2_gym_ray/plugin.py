"""The plugin of this package: the executor `ray`."""

from __future__ import annotations

from tau2_core import ExecutorSpec, Lazy, hookimpl

OPTIONS = {
    "address": "the cluster, as for `ray.init`; default: RAY_ADDRESS, a cluster on this machine, or a new one here",
    "cpus": "the CPUs that a worker reserves, 0 or more; default: 1",
    "runtime-env": "a JSON file with Ray's runtime environment: packages, variables, working directory",
}


@hookimpl
def tau2_executors() -> list[ExecutorSpec]:
    """Add the executor."""
    summary = "Workers are actors of a Ray cluster."
    return [ExecutorSpec("ray", summary, Lazy("tau2_gym_ray.executor:open_ray"), OPTIONS)]
