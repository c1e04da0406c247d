"""The plugin: registers the retail domain."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Return the domain of this package."""
    return [Domain(name="retail", package=__package__)]
