"""Payments and refunds: one payment method for a change, any number for a booking."""

from collections.abc import Sequence

from tau2_core import ToolError

from tau2_domain_airline.models import Payment, PaymentMethod, User


def settle_change(user: User, payment_id: str, total: int) -> Payment | None:
    """Charge the cost of a change to one payment method, or refund it if `total` is negative.

    The method is checked even if nothing is due. A gift card is charged before the payment is recorded, so a
    total that is not a whole number (possible only with unvalidated arguments) fails with the card already charged.
    """
    method = _method(user, payment_id)
    if method.source == "certificate":
        raise ToolError(f"{payment_id} is a certificate: a change takes a gift card or a credit card")
    if method.source == "gift_card":
        if method.amount < total:
            raise ToolError(f"gift card {payment_id} holds {method.amount}: {total} is needed")
        method.amount -= total
    return Payment(payment_id=payment_id, amount=total) if total != 0 else None


def check_booking(user: User, payments: Sequence[Payment], total: int) -> None:
    """Raise ToolError unless each payment is covered and they add up to the total."""
    for payment in payments:
        method = _method(user, payment.payment_id)
        if method.source != "credit_card" and method.amount < payment.amount:
            raise ToolError(f"{payment.payment_id} holds {method.amount}: {payment.amount} is needed")
    paid = sum(payment.amount for payment in payments)
    if paid != total:
        raise ToolError(f"the payments add up to {paid}, the booking costs {total}")


def charge_booking(user: User, payments: Sequence[Payment]) -> None:
    """Reduce gift cards and use up certificates, in the order of the payments.

    A certificate that is named twice is gone at its second use: the booking fails, but earlier payments stay charged.
    """
    for payment in payments:
        method = _method(user, payment.payment_id)
        if method.source == "gift_card":
            method.amount -= payment.amount
        elif method.source == "certificate":
            del user.payment_methods[payment.payment_id]


def _method(user: User, payment_id: str) -> PaymentMethod:
    method = user.payment_methods.get(payment_id)
    if method is None:
        raise ToolError(f"user {user.user_id} has no payment method {payment_id!r}")
    return method
