"""Announce the telecom domain to tau2_core."""

from tau2_core import Domain, hookimpl


@hookimpl
def tau2_environments() -> list[Domain]:
    """Name the one domain of this package."""
    return [Domain(name="telecom", package=__package__)]
