"""The plugin behind the entry point `inspect`: the exporter."""

from __future__ import annotations

from tau2_core import ExporterSpec, Lazy, hookimpl


@hookimpl
def tau2_exporters() -> list[ExporterSpec]:
    return [ExporterSpec("inspect", "a log that Inspect View opens", write=Lazy("tau2_gym_inspect.exporter:write"))]
