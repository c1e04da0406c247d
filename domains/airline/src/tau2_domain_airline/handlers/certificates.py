"""Give a user a travel certificate."""

from tau2_core import Context

from tau2_domain_airline.finding import find_user
from tau2_domain_airline.models import AirlineDB, Certificate


def send_certificate(db: AirlineDB, context: Context, user_id: str, amount: int) -> str:
    """Add a certificate to a user's payment methods."""
    user = find_user(db, user_id)
    certificate_id = context.free_id("certificate", taken=user.payment_methods)
    user.payment_methods[certificate_id] = Certificate(source="certificate", id=certificate_id, amount=amount)
    return f"Certificate {certificate_id} added to user {user_id} with amount {amount}."
