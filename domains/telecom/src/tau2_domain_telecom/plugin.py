"""The plugin: registers the telecom domain."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Return the domain of this package."""
    return [Domain(name="telecom", package=__package__)]
