"""Announce the retail domain to tau2-gym."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Return the one domain that this package brings."""
    return [Domain(name="retail", package=__package__)]
