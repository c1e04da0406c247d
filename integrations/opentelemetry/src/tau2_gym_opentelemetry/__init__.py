"""Episodes as OpenTelemetry traces: live while a run is played, or from a stored run."""
