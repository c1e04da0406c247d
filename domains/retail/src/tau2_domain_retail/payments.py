"""Payment methods on file and the balances of gift cards."""

from tau2_core import ToolError, reading

from tau2_domain_retail.lookup import find_user
from tau2_domain_retail.models import CreditCard, GiftCard, PayPal, RetailDB


def find_method(db: RetailDB, user_id: str, method_id: str) -> CreditCard | GiftCard | PayPal:
    """Return a payment method of the user's profile, for reading only."""
    method = find_user(reading(db), user_id).payment_methods.get(method_id)
    if method is None:
        raise ToolError(f"user {user_id!r} has no payment method {method_id!r}")
    return method


def require_cover(method: CreditCard | GiftCard | PayPal, amount: float) -> None:
    """Raise ToolError if the method is a gift card with a lower balance than the amount in dollars."""
    if isinstance(method, GiftCard) and method.balance < amount:
        raise ToolError(f"gift card {method.id!r} holds {method.balance:.2f}, less than the {amount:.2f} due")


def charge(db: RetailDB, user_id: str, method_id: str, amount: float) -> None:
    """Debit a gift card in dollars; a negative amount credits it."""
    card = _gift_card(db, user_id, method_id)
    if card is not None:
        card.balance = round(card.balance - amount, 2)


def refund(db: RetailDB, user_id: str, method_id: str, amount: float) -> None:
    """Credit a gift card in dollars."""
    card = _gift_card(db, user_id, method_id)
    if card is not None:
        card.balance = round(card.balance + amount, 2)


def _gift_card(db: RetailDB, user_id: str, method_id: str) -> GiftCard | None:
    # Cards and PayPal settle outside the shop and do not change, so the user's record is not copied.
    if not isinstance(find_method(db, user_id, method_id), GiftCard):
        return None
    method = db.users[user_id].payment_methods[method_id]
    return method if isinstance(method, GiftCard) else None
