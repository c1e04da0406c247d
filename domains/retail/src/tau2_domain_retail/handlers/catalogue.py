"""The products of the shop."""

import json

from tau2_core import ToolError

from tau2_domain_retail.lookup import find_product
from tau2_domain_retail.models import Product, RetailDB, Variant


def get_product_details(db: RetailDB, product_id: str) -> Product:
    """Return a product with all its variants."""
    return find_product(db, product_id)


def get_item_details(db: RetailDB, item_id: str) -> Variant:
    """Return one variant by its item id."""
    for product in db.products.values():
        if item_id in product.variants:
            return product.variants[item_id]
    raise ToolError(f"there is no item {item_id!r}; product ids are not item ids")


def list_all_product_types(db: RetailDB) -> str:
    """Return product names and their product ids as JSON text, sorted by name."""
    return json.dumps({product.name: product.product_id for product in db.products.values()}, sort_keys=True)
