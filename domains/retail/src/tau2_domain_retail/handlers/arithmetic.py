"""Arithmetic for the agent."""

import tau2_core

from tau2_domain_retail.models import RetailDB


def calculate(db: RetailDB, expression: str) -> str:
    """Compute an arithmetic expression."""
    return tau2_core.calculate(expression)
