"""Look-up of records by id. Raises ToolError for unknown ids."""

from tau2_core import ToolError

from tau2_domain_retail.models import Order, Product, RetailDB, User


def find_order(db: RetailDB, order_id: str) -> Order:
    """Return the order with this id."""
    order = db.orders.get(order_id)
    if order is None:
        raise ToolError(f"there is no order {order_id!r}; order ids look like #W0000000, with the #")
    return order


def find_user(db: RetailDB, user_id: str) -> User:
    """Return the user with this id."""
    user = db.users.get(user_id)
    if user is None:
        raise ToolError(f"there is no user {user_id!r}")
    return user


def find_product(db: RetailDB, product_id: str) -> Product:
    """Return the product with this id."""
    product = db.products.get(product_id)
    if product is None:
        raise ToolError(f"there is no product {product_id!r}; item ids are not product ids")
    return product
