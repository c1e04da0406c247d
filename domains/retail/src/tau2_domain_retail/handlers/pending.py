"""Changes to orders that have not been shipped."""

from tau2_core import ToolError

from tau2_domain_retail.items import find_item, plan_swaps, price_difference
from tau2_domain_retail.lookup import find_order
from tau2_domain_retail.models import Address, Order, OrderPayment, RetailDB
from tau2_domain_retail.payments import charge, find_method, refund, require_cover


def modify_pending_order_address(
    db: RetailDB, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Order:
    """Replace the shipping address of a pending order; the user's default address stays."""
    order = find_order(db, order_id)
    _require_pending(order)
    order.address = Address(address1=address1, address2=address2, city=city, state=state, country=country, zip=zip)
    return order


def modify_pending_order_payment(db: RetailDB, order_id: str, payment_method_id: str) -> Order:
    """Move a pending order's only payment to another of the user's payment methods."""
    order = find_order(db, order_id)
    _require_pending(order)
    method = find_method(db, order.user_id, payment_method_id)
    original = _only_payment(order)
    old_id, amount = original.payment_method_id, original.amount
    if payment_method_id == old_id:
        raise ToolError(f"order {order_id!r} is already paid with {old_id!r}; name a different payment method")
    require_cover(method, amount)
    order.payment_history.extend(
        [
            OrderPayment(transaction_type="payment", amount=amount, payment_method_id=payment_method_id),
            OrderPayment(transaction_type="refund", amount=amount, payment_method_id=old_id),
        ]
    )
    charge(db, order.user_id, payment_method_id, amount)
    # Parity: the old method is looked up last, so if it is missing, the call fails after all of the above.
    refund(db, order.user_id, old_id, amount)
    return order


def modify_pending_order_items(
    db: RetailDB, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Order:
    """Put other variants of the same products into a pending order, once."""
    order = find_order(db, order_id)
    if order.status != "pending":
        raise ToolError(f"order {order_id!r} is {order.status!r}; items can be changed once, while it is pending")
    swaps = plan_swaps(db, order, item_ids, new_item_ids)
    for item, variant in swaps:
        if item.item_id == variant.item_id:
            raise ToolError(f"item {item.item_id!r} cannot be replaced with itself")
    difference = price_difference(swaps)
    require_cover(find_method(db, order.user_id, payment_method_id), difference)
    order.payment_history.append(
        OrderPayment(
            transaction_type="payment" if difference > 0 else "refund",
            amount=abs(difference),
            payment_method_id=payment_method_id,
        )
    )
    charge(db, order.user_id, payment_method_id, difference)
    # Parity: every changed item takes the last pair's price and options, and an id is searched for among the
    # items as changed so far, so that [A, B] -> [B, A] turns the first item into B and back.
    for old_id, new_id in zip(item_ids, new_item_ids, strict=True):
        item = find_item(order, old_id)
        item.item_id = new_id
        item.price = swaps[-1].variant.price
        item.options = dict(swaps[-1].variant.options)
    order.status = "pending (item modified)"
    return order


def _require_pending(order: Order) -> None:
    # Parity: an order with modified items still counts here.
    if "pending" not in order.status:
        raise ToolError(f"order {order.order_id!r} is {order.status!r}; only a pending order can be changed")


def _only_payment(order: Order) -> OrderPayment:
    history = order.payment_history
    if len(history) != 1 or history[0].transaction_type != "payment":
        raise ToolError(f"order {order.order_id!r} was not paid in a single payment; its method cannot be changed")
    return history[0]
