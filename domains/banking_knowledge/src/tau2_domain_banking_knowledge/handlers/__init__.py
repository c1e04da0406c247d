"""The tools' handlers: one module per subject, one function per tool."""
