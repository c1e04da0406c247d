"""The records of the shop: products, customers and orders."""

from typing import Annotated, Literal

from pydantic import Field
from tau2_core import Database, Record

CancelReason = Literal["no longer needed", "ordered by mistake"]
OrderStatus = Literal[
    "processed",
    "pending",
    "pending (item modified)",
    "delivered",
    "cancelled",
    "exchange requested",
    "return requested",
]


class Variant(Record):
    """One purchasable version of a product."""

    item_id: str
    options: dict[str, str]
    available: bool
    price: float


class Product(Record):
    """A type of product and its variants, by item id."""

    name: str
    product_id: str
    variants: dict[str, Variant]


class UserName(Record):
    """A customer's name."""

    first_name: str
    last_name: str


class Address(Record):
    """A postal address; parts may be empty, but not missing."""

    address1: str
    address2: str
    city: str
    country: str
    state: str
    zip: str


class CreditCard(Record):
    """A credit card on file."""

    source: Literal["credit_card"]
    id: str
    brand: str
    last_four: str


class GiftCard(Record):
    """A gift card on file; the only payment method whose balance the shop keeps, in dollars."""

    source: Literal["gift_card"]
    id: str
    balance: float


class PayPal(Record):
    """A PayPal account on file."""

    source: Literal["paypal"]
    id: str


PaymentMethod = Annotated[CreditCard | GiftCard | PayPal, Field(discriminator="source")]


class User(Record):
    """A customer's profile; the address is the default one for new orders."""

    user_id: str
    name: UserName
    address: Address
    email: str
    payment_methods: dict[str, PaymentMethod]
    orders: list[str]


class OrderItem(Record):
    """One item of an order, at the price it was sold for."""

    name: str
    product_id: str
    item_id: str
    price: float
    options: dict[str, str]


class Fulfillment(Record):
    """A shipment: its tracking ids and the items in it."""

    tracking_id: list[str]
    item_ids: list[str]


class OrderPayment(Record):
    """A payment or refund for an order, in dollars, never negative."""

    transaction_type: Literal["payment", "refund"]
    amount: float
    payment_method_id: str


class Order(Record):
    """An order, with later requests for changes."""

    order_id: str
    user_id: str
    address: Address
    items: list[OrderItem]
    status: OrderStatus
    fulfillments: list[Fulfillment]
    payment_history: list[OrderPayment]
    cancel_reason: CancelReason | None = None
    exchange_items: list[str] | None = None
    exchange_new_items: list[str] | None = None
    exchange_payment_method_id: str | None = None
    exchange_price_difference: float | None = None
    return_items: list[str] | None = None
    return_payment_method_id: str | None = None


class RetailDB(Database):
    """The shop's database, each table by id."""

    products: dict[str, Product]
    users: dict[str, User]
    orders: dict[str, Order]
