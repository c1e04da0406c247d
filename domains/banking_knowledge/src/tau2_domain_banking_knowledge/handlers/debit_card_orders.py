"""Ordering a debit card."""

from typing import Any

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import given, need, one_of, owned_by, record
from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import rows
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import cents, number

DELIVERY = {"STANDARD": "7-10 business days", "EXPEDITED": "3-5 business days", "RUSH": "1-2 business days"}
DESIGNS = ("CLASSIC", "PREMIUM", "CUSTOM")
LEAST_HELD = 25.0
EXPIRES = "11/30/2029"


def order_debit_card_5739(
    db: BankingDB,
    account_id: str,
    user_id: str,
    delivery_option: str,
    delivery_fee: float,
    card_design: str,
    design_fee: float,
    shipping_address: str,
    excess_replacement_fee: float | None = None,
) -> str:
    """Order a card and take its fees from the account. A balance with a dollar sign counts as 0, as in tau2-bench."""
    excess = _excess_fee(excess_replacement_fee)
    delivery, design = number(delivery_fee, "delivery_fee"), number(design_fee, "design_fee")
    need(
        account_id=account_id,
        user_id=user_id,
        delivery_option=delivery_option,
        card_design=card_design,
        shipping_address=shipping_address,
    )
    given(delivery_fee=delivery_fee, design_fee=design_fee)
    option, look = delivery_option.upper(), card_design.upper()
    one_of(option, DELIVERY, "delivery_option")
    one_of(look, DESIGNS, "card_design")
    held, total = _check_account(db, account_id, user_id, delivery + design + excess)
    order_id = f"dcord_{digits(f'debit_card_order:{account_id}:{user_id}:{option}', 12)}"
    order: dict[str, Any] = {
        "order_id": order_id,
        "account_id": account_id,
        "user_id": user_id,
        "delivery_option": option,
        "card_design": look,
        "shipping_address": shipping_address,
        "delivery_fee": delivery,
        "design_fee": design,
        "excess_replacement_fee": excess,
        "total_fee": total,
        "order_date": TODAY,
        "expected_delivery": DELIVERY[option],
        "status": "PENDING",
    }
    issued_for = _issue_reason(db, account_id)
    if not put(db.debit_card_orders.data, order_id, order):
        raise Refusal("this card has already been ordered")
    told = ""
    if total > 0:
        db.accounts.data[account_id]["current_holdings"] = cents(held - total)
        _charge(db, account_id, order_id, delivery, design, excess)
        told = f" It costs {cents(total)}, and the account now holds {cents(held - total)}."
    card_id = _issue(db, account_id, user_id, look, issued_for)
    return f"Card {card_id} is ordered: {order_id}.{told}"


def _excess_fee(fee: Any) -> float:
    """Return the fee for too many replacements; the int 0 for anything but a number, as in tau2-bench."""
    try:
        return float(fee or 0.0)
    except (TypeError, ValueError):
        return 0


def _check_account(db: BankingDB, account_id: str, user_id: str, total: float) -> tuple[float, float]:
    """Return the account's balance and the fees, in dollars. Raises Refusal if the account cannot get a card."""
    account = record(rows(db, "accounts"), account_id, "account")
    if account.get("class") != "checking" or account.get("status") != "OPEN":
        raise Refusal(f"account {account_id} is not an open checking account")
    owned_by(account, user_id, "account")
    try:
        held = float(str(account.get("current_holdings", "0")).replace(",", ""))
    except ValueError:
        held = 0.0
    if held < LEAST_HELD:
        raise Refusal(f"the account must hold at least {cents(LEAST_HELD)}")
    orders, cards = rows(db, "debit_card_orders").values(), rows(db, "debit_cards").values()
    if any(row.get("account_id") == account_id and row.get("status") == "PENDING" for row in orders):
        raise Refusal("a card for this account has already been ordered and is on its way")
    if any(row.get("account_id") == account_id and row.get("status") == "ACTIVE" for row in cards):
        raise Refusal("the account already has an active card")
    if total > 0 and held < total:
        raise Refusal(f"the fees of {cents(total)} are more than the account holds")
    return held, total


def _issue_reason(db: BankingDB, account_id: str) -> str:
    """Return why a card is issued, from how the account's first closed card ended."""
    cards = [row for row in rows(db, "debit_cards").values() if row.get("account_id") == account_id]
    for card in cards:
        if card.get("status") == "CLOSED":
            why = card.get("closure_reason", "first_card")
            reasons = {"lost": "lost", "stolen": "stolen", "fraud": "fraud", "fraud_suspected": "fraud"}
            return reasons.get(why, "first_card")
    return "first_card" if cards else "new_account"


def _charge(db: BankingDB, account_id: str, order_id: str, delivery: float, design: float, excess: float) -> None:
    parts = [f"{name} ${fee}" for name, fee in (("Delivery", delivery), ("Design", design)) if fee > 0]
    parts += [f"Excess Replacement ${excess:.0f}"] if excess > 0 else []
    transaction_id = f"btxn_dcfee_{order_id[-8:]}"
    fee = {
        "transaction_id": transaction_id,
        "account_id": account_id,
        "date": TODAY,
        "description": f"DEBIT CARD ORDER FEE - {', '.join(parts)}",
        "amount": -(delivery + design + excess),
        "type": "debit_card_fee",
        "status": "posted",
    }
    put(db.bank_account_transaction_history.data, transaction_id, fee)


def _issue(db: BankingDB, account_id: str, user_id: str, design: str, issued_for: str) -> str:
    """Add a pending card, unless one was already issued to this account and customer today; return its id."""
    card_id = f"dbc_{digits(f'debit_card:{account_id}:{user_id}:{TODAY}', 12)}"
    user = rows(db, "users").get(user_id)
    card = {
        "card_id": card_id,
        "account_id": account_id,
        "user_id": user_id,
        "cardholder_name": user["name"].upper() if user else "CARDHOLDER",
        "last_4_digits": _decimal_digits(f"card_details:{card_id}:last4", 8, 4),
        "cvv": _decimal_digits(f"card_details:{card_id}:cvv", 6, 3),
        "status": "PENDING",
        "issue_date": TODAY,
        "expiration_date": EXPIRES,
        "card_design": design,
        "issue_reason": issued_for,
    }
    put(db.debit_cards.data, card_id, card)
    return card_id


def _decimal_digits(seed: str, length: int, wanted: int) -> str:
    """Return the first `wanted` decimal digits of a seed's hexadecimal digest, padded with leading zeros."""
    return "".join(filter(str.isdecimal, digits(seed, length)))[:wanted].rjust(wanted, "0")
