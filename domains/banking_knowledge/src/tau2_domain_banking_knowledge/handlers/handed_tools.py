"""The customer's hidden tools, which the agent hands over. Each logs its call before its own checks."""

from hashlib import sha256
from typing import Any

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import open_account, record
from tau2_domain_banking_knowledge.handed_over import noted
from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import exists, rows
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import balance, cents, dollars, positive_number


def submit_cash_back_dispute_0589(db: BankingDB, user_id: str, transaction_id: str) -> str:
    noted(db, "submit_cash_back_dispute_0589", user_id=user_id, transaction_id=transaction_id)
    dispute_id = f"dsp_{digits(f'dispute:{user_id}:{transaction_id}', 12)}"
    dispute: dict[str, Any] = {
        "dispute_id": dispute_id,
        "user_id": user_id,
        "transaction_id": transaction_id,
        "submitted_at": TODAY,
        "status": "SUBMITTED",
    }
    settings = rows(db, "task_config").get("dispute_settings", {})
    if settings.get("auto_resolve_disputes", False):
        dispute |= {"status": "RESOLVED", "resolution": "APPROVED"}
    if not put(db.cash_back_disputes.data, dispute_id, dispute):
        return f"You have already disputed the cash back of {transaction_id}."
    return f"Your dispute about the cash back of {transaction_id} is recorded: {dispute_id}."


def get_referral_link(db: BankingDB, user_id: str, card_name: str) -> str:
    noted(db, "get_referral_link", user_id=user_id, card_name=card_name)
    referral_id = digits(f"referral_link:{user_id}:{card_name}", 16)
    referral = {
        "referral_id": referral_id,
        "referrer_id": user_id,
        "referred_account_type": card_name,
        "referral_status": "NO_PROGRESS",
        "date": TODAY,
    }
    if not put(db.referrals.data, referral_id, referral):
        return f"You already have a link for the {card_name}."
    return f"Here is your link for the {card_name}; its referral is {referral_id}."


def get_card_last_4_digits(db: BankingDB, credit_card_account_id: str) -> str:
    noted(db, "get_card_last_4_digits", credit_card_account_id=credit_card_account_id)
    if not exists(db, "credit_card_accounts", "account_id", credit_card_account_id):
        raise Refusal(f"there is no credit card account {credit_card_account_id!r}")
    found = sha256(f"card_last4:{credit_card_account_id}".encode()).hexdigest()
    last = "".join(filter(str.isdecimal, found))[:4].ljust(4, "0")
    return f"The last four digits of the card are {last}."


def deposit_check_3847(db: BankingDB, account_id: str, check_amount: float) -> str:
    noted(db, "deposit_check_3847", account_id=account_id, check_amount=check_amount)
    amount = positive_number(check_amount, "check_amount")
    account = record(db.accounts.data, account_id, "account")
    open_account(account, account_id)
    held = balance(account)
    account["current_holdings"] = dollars(held + amount)
    return (
        f"The check for {cents(amount)} is deposited. The account held {cents(held)}, and now {cents(held + amount)}."
    )
