"""The plugin: registers the mock domain."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Return the domain of this package."""
    return [Domain(name="mock", package=__package__)]
