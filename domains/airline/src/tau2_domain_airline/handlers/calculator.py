"""Do arithmetic for the agent."""

from tau2_core import calculate as evaluate

from tau2_domain_airline.models import AirlineDB


def calculate(db: AirlineDB, expression: str) -> str:
    """Compute an arithmetic expression."""
    return evaluate(expression)
