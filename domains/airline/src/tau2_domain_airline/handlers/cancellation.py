"""Cancel a reservation."""

from tau2_domain_airline.finding import find_reservation
from tau2_domain_airline.models import AirlineDB, Payment, Reservation


def cancel_reservation(db: AirlineDB, reservation_id: str) -> Reservation:
    """Mark a reservation as cancelled and record the refund of every payment; balances and seats stay as they are."""
    reservation = find_reservation(db, reservation_id)
    refunds = [
        Payment(payment_id=payment.payment_id, amount=-payment.amount) for payment in reservation.payment_history
    ]
    reservation.payment_history.extend(refunds)
    reservation.status = "cancelled"
    return reservation
