"""The tools' handlers: one module a subject, one function a tool."""
