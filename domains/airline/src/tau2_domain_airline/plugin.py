"""The plugin: registers the airline domain."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Return the domain of this package."""
    return [Domain(name="airline", package=__package__)]
