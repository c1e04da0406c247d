"""Registers the sandbox. It looks for bubblewrap only when a tool needs it."""

from tau2_core import Lazy, SandboxSpec, hookimpl


@hookimpl
def tau2_sandboxes() -> list[SandboxSpec]:
    what = "Linux namespaces, by bubblewrap: no network, no other files"
    return [SandboxSpec("bubblewrap", what, Lazy("tau2_sandbox_bubblewrap.sandbox:open_sandbox"))]
