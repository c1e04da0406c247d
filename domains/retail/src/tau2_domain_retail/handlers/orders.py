"""Orders in general, and their cancellation."""

from typing import get_args

from tau2_core import ToolError

from tau2_domain_retail.lookup import find_order
from tau2_domain_retail.models import CancelReason, Order, OrderPayment, RetailDB
from tau2_domain_retail.payments import refund

_REASONS: tuple[CancelReason, ...] = get_args(CancelReason)


def get_order_details(db: RetailDB, order_id: str) -> Order:
    """Return an order."""
    return find_order(db, order_id)


def cancel_pending_order(db: RetailDB, order_id: str, reason: str) -> Order:
    """Cancel a pending order and refund every entry of its payment history."""
    order = find_order(db, order_id)
    if order.status != "pending":
        raise ToolError(f"order {order_id!r} is {order.status!r}; only a pending order can be cancelled")
    accepted = _accepted_reason(reason)
    refunds: list[OrderPayment] = []
    # Parity: refunds in the history are refunded too. A method missing from the profile makes the call fail after
    # the gift cards of earlier entries were credited.
    for entry in order.payment_history:
        method_id = entry.payment_method_id
        refunds.append(OrderPayment(transaction_type="refund", amount=entry.amount, payment_method_id=method_id))
        refund(db, order.user_id, method_id, entry.amount)
    order.status = "cancelled"
    order.cancel_reason = accepted
    order.payment_history.extend(refunds)
    return order


def _accepted_reason(reason: str) -> CancelReason:
    for accepted in _REASONS:
        if reason == accepted:
            return accepted
    raise ToolError(f"{reason!r} is not an accepted reason; it must be one of: {', '.join(_REASONS)}")
