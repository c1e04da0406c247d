"""Items of an order and the variants that replace them."""

from typing import NamedTuple

from tau2_core import ToolError, reading

from tau2_domain_retail.lookup import find_product
from tau2_domain_retail.models import Order, OrderItem, RetailDB, Variant


class Swap(NamedTuple):
    """An ordered item and the variant wanted instead."""

    item: OrderItem
    variant: Variant


def require_ordered(order: Order, item_ids: list[str]) -> None:
    """Raise ToolError if an id is named more often than the order contains it."""
    ordered = [item.item_id for item in order.items]
    for item_id in item_ids:
        # `count` of the list itself: `item_ids` may also be a JSON object, which a Counter would read as counts.
        if item_ids.count(item_id) > ordered.count(item_id):
            raise ToolError(f"order {order.order_id!r} contains item {item_id!r} fewer times than it is named")


def plan_swaps(db: RetailDB, order: Order, item_ids: list[str], new_item_ids: list[str]) -> list[Swap]:
    """Pair each item with its new variant: of the same product, and available."""
    require_ordered(order, item_ids)
    if len(item_ids) != len(new_item_ids):
        raise ToolError(f"{len(item_ids)} items cannot be paired with {len(new_item_ids)} new ones: name one for each")
    return [_swap(db, order, old_id, new_id) for old_id, new_id in zip(item_ids, new_item_ids, strict=True)]


def price_difference(swaps: list[Swap]) -> float:
    """Return the difference in price, in unrounded dollars; the int 0 if there are no swaps."""
    total: float = 0
    # Not `sum`: since Python 3.12 it compensates rounding errors and gives other digits.
    for item, variant in swaps:
        total += variant.price - item.price
    return total


def find_item(order: Order, item_id: str) -> OrderItem:
    """Return the order's first item with this id."""
    for item in order.items:
        if item.item_id == item_id:
            return item
    raise ToolError(f"order {order.order_id!r} does not contain item {item_id!r}")


def _swap(db: RetailDB, order: Order, old_id: str, new_id: str) -> Swap:
    item = find_item(order, old_id)
    product = find_product(reading(db), item.product_id)
    variant = product.variants.get(new_id)
    if variant is None:
        raise ToolError(f"item {new_id!r} is not a variant of {product.name} (product {product.product_id})")
    if not variant.available:
        raise ToolError(f"item {new_id!r} is not available at the moment")
    return Swap(item, variant)
