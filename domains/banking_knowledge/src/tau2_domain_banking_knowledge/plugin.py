"""The plugin: registers the banking domain."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Return the domain of this package."""
    return [Domain(name="banking_knowledge", package=__package__)]
