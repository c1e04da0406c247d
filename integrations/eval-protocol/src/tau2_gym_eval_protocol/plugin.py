"""The plugin behind the entry point `eval-protocol`: the exporter."""

from __future__ import annotations

from tau2_core import ExporterSpec, Lazy, hookimpl


@hookimpl
def tau2_exporters() -> list[ExporterSpec]:
    return [
        ExporterSpec(
            "eval-protocol",
            "a line for each task of a domain, or a row for each episode of a run",
            Lazy("tau2_gym_eval_protocol.exporter:lines"),
        )
    ]
