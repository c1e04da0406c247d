"""A shop that is small enough to calculate by hand."""

from typing import Any

import pytest
from tau2_domain_retail.models import RetailDB

HOME: dict[str, Any] = {
    "address1": "1 Mill Lane",
    "address2": "",
    "city": "Boston",
    "country": "USA",
    "state": "MA",
    "zip": "02139",
}


def variant(item_id: str, price: float, *, available: bool = True) -> dict[str, Any]:
    return {"item_id": item_id, "options": {"kind": item_id}, "available": available, "price": price}


def product(product_id: str, name: str, *variants: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "product_id": product_id, "variants": {entry["item_id"]: entry for entry in variants}}


PRODUCTS = {
    "1": product(
        "1", "Teapot", variant("1A", 10.1), variant("1B", 24.35), variant("1C", 5.0), variant("1D", 7, available=False)
    ),
    "2": product("2", "Mug", variant("2A", 3.0), variant("2B", 3.0), variant("2C", 400.0)),
}
PRICES = {item_id: entry["price"] for item in PRODUCTS.values() for item_id, entry in item["variants"].items()}


def order(order_id: str, status: str, paid_with: str, *item_ids: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "user_id": "ada_byron_1",
        "address": HOME,
        "items": [
            {
                "name": PRODUCTS[item_id[0]]["name"],
                "product_id": item_id[0],
                "item_id": item_id,
                "price": PRICES[item_id],
                "options": {"kind": item_id},
            }
            for item_id in item_ids
        ],
        "status": status,
        "fulfillments": [],
        "payment_history": [{"transaction_type": "payment", "amount": 20.2, "payment_method_id": paid_with}],
    }


@pytest.fixture
def db() -> RetailDB:
    """Return a fresh shop: one user, two products, four orders."""
    ada = {
        "user_id": "ada_byron_1",
        "name": {"first_name": "Ada", "last_name": "Byron"},
        "address": HOME,
        "email": "Ada@example.com",
        "payment_methods": {
            "gift": {"source": "gift_card", "id": "gift", "balance": 50.0},
            "poor": {"source": "gift_card", "id": "poor", "balance": 1.0},
            "card": {"source": "credit_card", "id": "card", "brand": "visa", "last_four": "1234"},
            "paypal": {"source": "paypal", "id": "paypal"},
        },
        "orders": ["#P", "#D"],
    }
    return RetailDB.model_validate(
        {
            "products": PRODUCTS,
            "users": {"ada_byron_1": ada},
            "orders": {
                "#P": order("#P", "pending", "card", "1A", "2A", "1C", "1A"),
                "#G": order("#G", "pending", "gift", "1A", "1B"),
                "#D": order("#D", "delivered", "card", "1A", "2A", "1A"),
                "#S": order("#S", "processed", "card", "1A"),
            },
        }
    )
