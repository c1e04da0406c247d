"""Choose where spans go: to an existing tracer provider, or to an OTLP endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from tau2_core import UsageError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PATH = "/v1/traces"
SERVICE = "tau2-gym"


def captures_content() -> bool:
    """Return whether OpenTelemetry's environment variable allows the content of messages on spans."""
    return os.environ.get(CONTENT, "").lower() in ("true", "span_only", "span_and_event")


def resource() -> Resource:
    """Return the resource that sends the spans: `tau2-gym`, unless the SDK's variables name another."""
    named = Resource.create()  # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    given = str(named.attributes.get(SERVICE_NAME, ""))
    own = {SERVICE_VERSION: version("tau2-core")}
    if not given or given.startswith("unknown_service"):
        own[SERVICE_NAME] = SERVICE
    return named.merge(Resource(own))


def live_provider() -> tuple[trace.TracerProvider, Callable[[], object]]:
    """Return the tracer provider of a run, and a function that sends the remaining spans at its end.

    It is the program's own provider if it has one, otherwise a new one for the OTEL_* endpoint.
    """
    present = trace.get_tracer_provider()
    if not isinstance(present, trace.ProxyTracerProvider):
        return present, getattr(present, "force_flush", _nothing)  # providers of the SDK have it
    provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider, provider.shutdown


def _nothing() -> None:
    pass


def exporter_for(endpoint: str | None) -> OTLPSpanExporter:
    """Return an exporter to an address, with or without `/v1/traces`. Raises UsageError if it is missing or invalid."""
    if endpoint is None:
        if not any(os.environ.get(each) for each in ENDPOINTS):
            raise UsageError(
                f"--to otlp: name a collector with --endpoint http://127.0.0.1:4318, or set {ENDPOINTS[1]}"
            )
        return OTLPSpanExporter()
    if not endpoint.startswith(("http://", "https://")):
        raise UsageError(f"--endpoint {endpoint}: should be an address such as http://127.0.0.1:4318")
    base = endpoint.rstrip("/")
    return OTLPSpanExporter(endpoint=base if base.endswith(PATH) else base + PATH)


def address_of(exporter: OTLPSpanExporter) -> str:
    """Return the address that an exporter sends to."""
    return exporter._endpoint  # the SDK has no public name for it
