"""Returns and exchanges of delivered items."""

from tau2_core import ToolError

from tau2_domain_retail.items import plan_swaps, price_difference, require_ordered
from tau2_domain_retail.lookup import find_order
from tau2_domain_retail.models import GiftCard, Order, RetailDB
from tau2_domain_retail.payments import find_method, require_cover


def return_delivered_order_items(db: RetailDB, order_id: str, item_ids: list[str], payment_method_id: str) -> Order:
    """Record a return of items of a delivered order; the refund follows outside the shop."""
    order = find_order(db, order_id)
    _require_delivered(order)
    method = find_method(db, order.user_id, payment_method_id)
    if not isinstance(method, GiftCard) and payment_method_id != _first_method_id(order):
        raise ToolError(f"the refund must go to a gift card or to the order's own method, not to {payment_method_id!r}")
    require_ordered(order, item_ids)
    order.status = "return requested"
    order.return_items = sorted(item_ids)
    order.return_payment_method_id = payment_method_id
    return order


def exchange_delivered_order_items(
    db: RetailDB, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Order:
    """Record an exchange of items of a delivered order; payment and shipment follow later."""
    order = find_order(db, order_id)
    _require_delivered(order)
    # Parity: an item may be exchanged for another of its own id, unlike in a pending order.
    difference = round(price_difference(plan_swaps(db, order, item_ids, new_item_ids)), 2)
    require_cover(find_method(db, order.user_id, payment_method_id), difference)
    order.status = "exchange requested"
    order.exchange_items = sorted(item_ids)
    # Parity: sorted separately, so the pairs are lost.
    order.exchange_new_items = sorted(new_item_ids)
    order.exchange_payment_method_id = payment_method_id
    order.exchange_price_difference = difference
    return order


def _require_delivered(order: Order) -> None:
    if order.status != "delivered":
        why = "only a delivered order can be returned or exchanged, and only once"
        raise ToolError(f"order {order.order_id!r} is {order.status!r}; {why}")


def _first_method_id(order: Order) -> str | None:
    return order.payment_history[0].payment_method_id if order.payment_history else None
