"""Credit card accounts: rewards, replacements, closing, credits and flags."""

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import card_account_of, given, need, one_of, owned_by, record
from tau2_domain_banking_knowledge.ids import TODAY, digits, joined, put
from tau2_domain_banking_knowledge.listing import exists, history
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import balance, cents, dollars, parsed, positive, positive_number

REPLACEMENT_REASONS = ("fraud_suspected", "lost", "stolen", "damaged", "expired", "other")
CLOSURE_REASONS = (
    "annual_fee",
    "not_using_card",
    "found_better_card",
    "unhappy_with_rewards",
    "simplifying_finances",
    "negative_experience",
    "other",
)
CREDIT_REASONS = (
    "goodwill_adjustment",
    "promotional_credit",
    "annual_fee_reversal",
    "late_fee_reversal",
    "interest_charge_reversal",
    "dispute_resolution",
    "price_match",
    "retention_offer",
    "error_correction",
    "other",
)
FLAG_TYPES = ("annual_fee_waived", "promotional_apr", "rewards_bonus", "other")
FLAG_REASONS = ("retention_offer", "loyalty_benefit", "promotional", "error_correction", "other")


def _require_account(db: BankingDB, credit_card_account_id: str) -> None:
    if not exists(db, "credit_card_accounts", "account_id", credit_card_account_id):
        raise Refusal(f"there is no credit card account {credit_card_account_id!r}")


def update_transaction_rewards_3847(db: BankingDB, transaction_id: str, new_rewards_earned: str) -> str:
    need(transaction_id=transaction_id, new_rewards_earned=new_rewards_earned)
    row = record(db.credit_card_transaction_history.data, transaction_id, "transaction")
    row["rewards_earned"] = new_rewards_earned
    return f"Transaction {transaction_id} has now earned {new_rewards_earned}."


def order_replacement_credit_card_7291(
    db: BankingDB,
    credit_card_account_id: str,
    user_id: str,
    shipping_address: str,
    reason: str,
    expedited_shipping: bool = False,
) -> str:
    """Order a card and close the old account; the account's owner is not checked."""
    need(
        credit_card_account_id=credit_card_account_id,
        user_id=user_id,
        shipping_address=shipping_address,
        reason=reason,
    )
    one_of(reason, REPLACEMENT_REASONS, "reason")
    _require_account(db, credit_card_account_id)
    order_id = f"ccord_{digits(f'credit_card_order:{credit_card_account_id}:{user_id}:{reason}', 12)}"
    order = {
        "order_id": order_id,
        "credit_card_account_id": credit_card_account_id,
        "user_id": user_id,
        "shipping_address": shipping_address,
        "reason": reason,
        "expedited_shipping": expedited_shipping,
        "order_date": TODAY,
        "status": "ORDERED",
        "old_card_cancelled": True,
    }
    if not put(db.credit_card_orders.data, order_id, order):
        raise Refusal("this replacement has already been ordered")
    accounts = db.credit_card_accounts.data
    if credit_card_account_id in accounts:
        accounts[credit_card_account_id] |= {"status": "CLOSED", "closed_date": TODAY}
    return f"A replacement is ordered: {order_id}. The old card is cancelled."


def get_pending_replacement_orders_5765(db: BankingDB, credit_card_account_id: str) -> str:
    """List orders of every status, as in tau2-bench."""
    need(credit_card_account_id=credit_card_account_id)
    return history(
        db,
        "credit_card_orders",
        "credit_card_account_id",
        credit_card_account_id,
        nothing=f"No replacement was ordered for {credit_card_account_id}.",
    )


def log_credit_card_closure_reason_4521(
    db: BankingDB, credit_card_account_id: str, user_id: str, closure_reason: str
) -> str:
    """Log a reason. If one is already logged, it stays, and the result is the same, as in tau2-bench."""
    need(credit_card_account_id=credit_card_account_id, user_id=user_id, closure_reason=closure_reason)
    one_of(closure_reason, CLOSURE_REASONS, "closure_reason")
    record_id = f"clsr_{digits(f'closure_reason:{credit_card_account_id}:{user_id}', 12)}"
    noted = {
        "record_id": record_id,
        "credit_card_account_id": credit_card_account_id,
        "user_id": user_id,
        "closure_reason": closure_reason,
        "logged_at": TODAY,
        "status": "LOGGED",
    }
    put(db.credit_card_closure_reasons.data, record_id, noted)
    return f"The reason {closure_reason} is recorded for {credit_card_account_id}."


def get_closure_reason_history_8293(db: BankingDB, credit_card_account_id: str) -> str:
    need(credit_card_account_id=credit_card_account_id)
    return history(
        db,
        "credit_card_closure_reasons",
        "credit_card_account_id",
        credit_card_account_id,
        nothing=f"No reason is recorded for {credit_card_account_id}.",
    )


def apply_statement_credit_8472(
    db: BankingDB, user_id: str, credit_card_account_id: str, amount: float, reason: str
) -> str:
    """Record a credit. The account is not part of its id, and the balance does not change, as in tau2-bench."""
    need(user_id=user_id, credit_card_account_id=credit_card_account_id, reason=reason)
    given(amount=amount)
    positive(amount, "amount")
    one_of(reason, CREDIT_REASONS, "reason")
    _require_account(db, credit_card_account_id)
    seed = joined("transaction", user_id, "STATEMENT_CREDIT", reason, cents(amount), "Statement Credit")
    transaction_id = f"txn_{digits(seed, 12)}"
    credit = {
        "transaction_id": transaction_id,
        "user_id": user_id,
        "credit_card_account_id": credit_card_account_id,
        "credit_card_type": "N/A",
        "merchant_name": "Rho-Bank Statement Credit",
        "transaction_amount": f"-${cents(amount)}",
        "transaction_date": TODAY,
        "category": "Statement Credit",
        "status": "COMPLETED",
        "rewards_earned": "0 points",
        "credit_reason": reason,
    }
    if not put(db.credit_card_transaction_history.data, transaction_id, credit):
        raise Refusal("the same credit has already been applied")
    return f"A credit of ${cents(amount)} was applied: {transaction_id}."


def apply_credit_card_account_flag_6147(
    db: BankingDB, credit_card_account_id: str, user_id: str, flag_type: str, expiration_date: str, reason: str
) -> str:
    need(
        credit_card_account_id=credit_card_account_id,
        user_id=user_id,
        flag_type=flag_type,
        expiration_date=expiration_date,
        reason=reason,
    )
    one_of(flag_type, FLAG_TYPES, "flag_type")
    one_of(reason, FLAG_REASONS, "reason")
    _require_account(db, credit_card_account_id)
    flag_id = f"ccflag_{digits(f'account_flag:{credit_card_account_id}:{flag_type}:{expiration_date}', 12)}"
    flag = {
        "flag_id": flag_id,
        "credit_card_account_id": credit_card_account_id,
        "user_id": user_id,
        "flag_type": flag_type,
        "effective_date": TODAY,
        "expiration_date": expiration_date,
        "reason": reason,
        "applied_at": TODAY,
        "status": "ACTIVE",
    }
    if not put(db.credit_card_account_flags.data, flag_id, flag):
        raise Refusal("the account already has this flag")
    return f"The account is flagged: {flag_id}."


def close_credit_card_account_7834(db: BankingDB, credit_card_account_id: str, user_id: str) -> str:
    """Close an account, whatever its balance, owner or status."""
    need(credit_card_account_id=credit_card_account_id, user_id=user_id)
    _require_account(db, credit_card_account_id)
    row = record(db.credit_card_accounts.data, credit_card_account_id, "credit card account")
    row |= {"status": "CLOSED", "closed_date": TODAY, "closed_by": user_id}
    return f"The credit card account {credit_card_account_id} is closed."


def pay_credit_card_from_checking_9182(
    db: BankingDB, user_id: str, checking_account_id: str, credit_card_account_id: str, amount: float
) -> str:
    need(user_id=user_id, checking_account_id=checking_account_id, credit_card_account_id=credit_card_account_id)
    paid = positive_number(amount, "amount")
    account = record(db.accounts.data, checking_account_id, "account")
    owned_by(account, user_id, "account")
    if account.get("class") != "checking":
        raise Refusal(f"account {checking_account_id} is not a checking account")
    held = balance(account)
    if paid > held:
        raise Refusal(f"account {checking_account_id} holds less than {cents(paid)}")
    card = card_account_of(db, credit_card_account_id, user_id)
    try:
        owed = parsed(card.get("current_balance", "$0.00"))
    except ValueError:
        owed = 0.0
    if paid > owed:
        raise Refusal(f"the balance of {credit_card_account_id} is less than {cents(paid)}")
    account["current_holdings"] = cents(held - paid)
    card["current_balance"] = dollars(owed - paid)
    return (
        f"{cents(paid)} was paid. The checking account now holds {cents(held - paid)}; the card's balance is "
        f"{cents(owed - paid)}."
    )
