"""What this package adds to tau2-gym: an observer that traces runs, and the export format `otlp`.

OpenTelemetry is imported only when one of them is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tau2_core import ExporterSpec, Lazy, ObserverSpec, UsageError, hookimpl

if TYPE_CHECKING:  # importing it would slow down every command
    from tau2_core import Observer

SWITCH = "TAU2_GYM_TRACES"


@hookimpl
def tau2_observers() -> list[ObserverSpec]:
    return [ObserverSpec("opentelemetry", f"sends traces of episodes, with {SWITCH}=otlp", open_observer)]


@hookimpl
def tau2_exporters() -> list[ExporterSpec]:
    options = {
        "endpoint": "the collector's address, such as http://127.0.0.1:4318; default: OTEL_EXPORTER_OTLP_ENDPOINT",
        "content": "true: with the messages, the arguments and results of tools, and the policy",
    }
    home = "tau2_gym_opentelemetry.stored"
    return [ExporterSpec("otlp", "traces for an OTLP collector", send=Lazy(f"{home}:send"), options=options)]


def open_observer(name: str, configuration: Mapping[str, Any]) -> Observer | None:
    """Return an observer if the environment asks for traces. Raises UsageError for an unknown value."""
    wanted = os.environ.get(SWITCH, "")
    if wanted in ("", "off"):
        return None
    if wanted != "otlp":
        raise UsageError(f"{SWITCH}={wanted}: should be otlp, off or empty")
    from tau2_gym_opentelemetry.live import LiveTraces
    from tau2_gym_opentelemetry.provider import captures_content, live_provider

    provider, end = live_provider()
    return LiveTraces(provider, end, name, configuration, content=captures_content())
