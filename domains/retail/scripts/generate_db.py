"""Write the retail database: a shop, its customers and their orders, generated from a seed.

    python scripts/generate_db.py [--seed 20250114] [--out src/tau2_domain_retail/data/db.json]

The same seed always gives the same bytes. `catalogue.toml` says what the shop sells, `people.toml` who buys.
The facts that hold for every seed are those of the retail specification: unique ids, one payment per order that
equals the sum of its items' prices, no fulfilment before shipping and one afterwards, methods from the customer's own
profile, gift balances from 0 to 100, unique e-mails and (name, zip) pairs.
"""

import argparse
import json
import random
import tomllib
from collections.abc import Callable, Iterable, Mapping
from itertools import product as combinations
from pathlib import Path
from typing import Any, TypedDict

HERE = Path(__file__).resolve().parent
DEFAULT_OUT = HERE.parent / "src" / "tau2_domain_retail" / "data" / "db.json"
DEFAULT_SEED = 20250114

USERS = 500
ORDERS_BY_STATUS = {
    "pending": 410,
    "delivered": 380,
    "processed": 95,
    "cancelled": 90,
    "return requested": 10,
    "exchange requested": 9,
    "pending (item modified)": 6,
}
SHARE_AVAILABLE = 0.64
SHARE_HOME_ADDRESS = 0.8
PRICE_JITTER = 0.02
DUPLICATED_ITEMS = 9  # orders that hold the same item twice

# What an order has gained after it was placed; all empty at first.
NO_TRACES = dict.fromkeys(
    [
        "cancel_reason",
        "exchange_items",
        "exchange_new_items",
        "exchange_payment_method_id",
        "exchange_price_difference",
        "return_items",
        "return_payment_method_id",
    ]
)

Record = dict[str, Any]  # a user, an order, or a part of one: keys in the order of the specification


class Variant(TypedDict):
    item_id: str
    options: dict[str, str]
    available: bool
    price: float


class Product(TypedDict):
    name: str
    product_id: str
    variants: dict[str, Variant]


class Shop:
    """Everything that is drawn at random, in the order in which it is drawn."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.used: set[str] = set()
        self.people: dict[str, Any] = tomllib.loads((HERE / "people.toml").read_text(encoding="ascii"))
        shelves = tomllib.loads((HERE / "catalogue.toml").read_text(encoding="ascii"))["product"]
        self.products = {entry["product_id"]: entry for entry in map(self.product, shelves)}
        self.users: dict[str, Record] = {}
        for _ in range(USERS):
            user = self.user()
            self.users[user["user_id"]] = user
        self.orders = {order["order_id"]: order for order in self.all_orders()}

    def unused(self, make: Callable[[], str]) -> str:
        """Draw until the text is new to this shop."""
        while (text := make()) in self.used:
            pass
        self.used.add(text)
        return text

    def digits(self, count: int) -> str:
        return str(self.random.randrange(10 ** (count - 1), 10**count))

    # products

    def product(self, shelf: Mapping[str, Any]) -> Product:
        """Put some of a shelf's combinations on sale; those that differ only in free options cost the same."""
        axes = [
            [(option, value, values[value] if isinstance(values, dict) else None) for value in values]
            for option, values in shelf["options"].items()
        ]
        prices: dict[tuple[str, ...], float] = {}
        variants: dict[str, Variant] = {}
        for choice in self.random.sample(list(combinations(*axes)), shelf["variants"]):
            priced = tuple(value for _, value, extra in choice if extra is not None)
            if priced not in prices:
                plain = shelf["price"] + sum(extra for _, _, extra in choice if extra is not None)
                jitter = self.random.uniform(-PRICE_JITTER, PRICE_JITTER) * shelf["price"]
                # the last digit is never 0, so that a price has one way to be written
                prices[priced] = (int((plain + jitter) * 10) * 10 + self.random.randint(1, 9)) / 100
            item_id = self.unused(lambda: self.digits(10))
            variants[item_id] = {
                "item_id": item_id,
                "options": {option: value for option, value, _ in choice},
                "available": self.random.random() < SHARE_AVAILABLE,
                "price": prices[priced],
            }
        for variant in list(variants.values())[:2]:
            variant["available"] = True
        return {"name": shelf["name"], "product_id": self.unused(lambda: self.digits(10)), "variants": variants}

    # customers

    def address(self) -> dict[str, str]:
        city, state, prefix = self.random.choice(self.people["cities"])
        unit = f"{self.random.choice(self.people['units'])} {self.random.randint(1, 480)}"
        return {
            "address1": f"{self.random.randint(3, 998)} {self.random.choice(self.people['streets'])}",
            "address2": unit if self.random.random() < 0.75 else "",
            "city": city,
            "country": "USA",
            "state": state,
            "zip": f"{prefix}{self.random.randint(0, 99):02d}",
        }

    def email(self, first: str, last: str) -> str:
        shape = self.random.choice(["{f}.{l}{n}", "{f}{l}{n}", "{i}.{l}{n}", "{l}.{f}{n}", "{f}_{l}{n}"])
        local = shape.format(f=first.lower(), l=last.lower(), i=first[0].lower(), n=self.random.randint(2, 98))
        return f"{local}@{self.random.choice(self.people['mail_hosts'])}"

    def payment_method(self, source: str) -> Record:
        method: Record = {"source": source, "id": self.unused(lambda: f"{source}_{self.digits(7)}")}
        if source == "credit_card":
            method["brand"] = self.random.choice(self.people["card_brands"])
            method["last_four"] = f"{self.random.randint(0, 9999):04d}"
        if source == "gift_card":
            method["balance"] = self.random.randint(0, 10_000) / 100
        return method

    def user(self) -> Record:
        while True:
            first, last = self.random.choice(self.people["first_names"]), self.random.choice(self.people["last_names"])
            address = self.address()
            if (key := f"{first} {last} {address['zip']}") not in self.used:
                self.used.add(key)
                break
        count = self.random.choices([1, 2, 3, 4], weights=[45, 37, 13, 5])[0]
        sources = self.random.sample(
            ["credit_card", "credit_card", "credit_card", "paypal", "gift_card", "gift_card"], count
        )
        methods = [self.payment_method(source) for source in sources]
        return {
            "user_id": self.unused(lambda: f"{first.lower()}_{last.lower()}_{self.digits(4)}"),
            "name": {"first_name": first, "last_name": last},
            "address": address,
            "email": self.unused(lambda: self.email(first, last)),
            "payment_methods": {method["id"]: method for method in methods},
            "orders": [],
        }

    # orders

    def all_orders(self) -> Iterable[Record]:
        statuses = [status for status, count in ORDERS_BY_STATUS.items() for _ in range(count)]
        self.random.shuffle(statuses)
        twice = set(self.random.sample(range(len(statuses)), DUPLICATED_ITEMS))
        users = list(self.users.values())
        eagerness = [self.random.choice([0, 1, 2, 2, 3, 3, 4, 6]) for _ in users]
        for number, status in enumerate(statuses):
            user = self.random.choices(users, weights=eagerness)[0]
            order = self.order(user, status, duplicate=number in twice)
            user["orders"].append(order["order_id"])
            yield order

    def order(self, user: Record, status: str, *, duplicate: bool) -> Record:
        variants = self.basket()
        while not self.fits(status, variants):
            variants = self.basket()
        items: list[Record] = [
            {
                "name": product["name"],
                "product_id": product["product_id"],
                "item_id": variant["item_id"],
                "price": variant["price"],
                "options": dict(variant["options"]),
            }
            for product, variant in variants
        ]
        if duplicate:
            items = [items[0], *items[:4]]
        home = self.random.random() < SHARE_HOME_ADDRESS
        total = round(sum(item["price"] for item in items), 2)
        method = self.random.choice(list(user["payment_methods"]))
        order: Record = {
            "order_id": self.unused(lambda: f"#W{self.digits(7)}"),
            "user_id": user["user_id"],
            "address": user["address"].copy() if home else self.address(),
            "items": items,
            "status": status,
            "fulfillments": [],
            "payment_history": [{"transaction_type": "payment", "amount": total, "payment_method_id": method}],
            **NO_TRACES,
        }
        if not status.startswith("pending"):
            tracking = self.unused(lambda: self.digits(12))
            order["fulfillments"] = [{"tracking_id": [tracking], "item_ids": [item["item_id"] for item in items]}]
        self.leave_traces(order, variants)
        return order

    def basket(self) -> list[tuple[Product, Variant]]:
        """Draw one to five different variants, sometimes two of the same product."""
        count = self.random.choices([1, 2, 3, 4, 5], weights=[20, 24, 22, 18, 16])[0]
        chosen = self.random.sample(list(self.products.values()), count)
        if count > 1 and self.random.random() < 0.3:
            chosen[-1] = chosen[0]
        picked: dict[str, tuple[Product, Variant]] = {}
        for product in chosen:
            left = [variant for variant in product["variants"].values() if variant["item_id"] not in picked]
            variant = self.random.choice(left)
            picked[variant["item_id"]] = (product, variant)
        basket = list(picked.values())
        self.random.shuffle(basket)
        return basket

    @staticmethod
    def cheaper(product: Product, old: Variant) -> list[Variant]:
        return [new for new in product["variants"].values() if new["available"] and new["price"] < old["price"]]

    def fits(self, status: str, basket: list[tuple[Product, Variant]]) -> bool:
        """Return whether an order with this status can contain these items."""
        product, first = basket[0]
        if status == "pending (item modified)":  # needs an earlier variant at the same price
            return any(v["price"] == first["price"] and v is not first for v in product["variants"].values())
        return status != "exchange requested" or bool(self.cheaper(product, first))

    def leave_traces(self, order: Record, variants: list[tuple[Product, Variant]]) -> None:
        """Record what earlier actions left on an order that is cancelled, modified, exchanged or returned."""
        payment = order["payment_history"][0]
        method = payment["payment_method_id"]
        if order["status"] == "cancelled":
            order["payment_history"].append({**payment, "transaction_type": "refund"})
        elif order["status"] == "pending (item modified)":  # the item before cost the same: nothing to pay back
            order["payment_history"].append({**payment, "transaction_type": "refund", "amount": 0.0})
        elif order["status"] == "return requested":
            order["return_items"] = sorted(item["item_id"] for item in order["items"][:2])
            order["return_payment_method_id"] = method
        elif order["status"] == "exchange requested":
            product, old = variants[0]
            new = self.random.choice(self.cheaper(product, old))
            order["exchange_items"], order["exchange_new_items"] = [old["item_id"]], [new["item_id"]]
            order["exchange_payment_method_id"] = method
            order["exchange_price_difference"] = round(new["price"] - old["price"], 2)


def write(tables: Mapping[str, Mapping[str, object]], out: Path) -> None:
    """Write one record per line, so that a diff shows which records changed."""
    blocks = []
    for table, records in tables.items():
        lines = [f'"{key}":{json.dumps(record, separators=(",", ":"))}' for key, record in records.items()]
        blocks.append(f'"{table}":{{\n' + ",\n".join(lines) + "\n}")
    out.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="ascii", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the retail database.")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the same seed gives the same bytes")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="the file to write")
    arguments = parser.parse_args()
    shop = Shop(arguments.seed)
    write({"products": shop.products, "users": shop.users, "orders": shop.orders}, arguments.out)


if __name__ == "__main__":
    main()
