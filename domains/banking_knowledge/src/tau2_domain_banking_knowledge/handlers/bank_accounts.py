"""Bank accounts: opening, closing, transfers, credits, and their transactions."""

from typing import Any

from tau2_core import Context, Refusal

from tau2_domain_banking_knowledge.account_rules import ACCOUNT_TYPES, early_closure_fee, may_open
from tau2_domain_banking_knowledge.checks import given, need, one_of, open_account, record
from tau2_domain_banking_knowledge.dates import when
from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import find, rows, text
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import balance, cents, dollars, number, positive_number

CHECKING_CREDITS = {"rebate_credit": "REBATE CREDIT", "fee_refund": "FEE REFUND"}
SAVINGS_CREDITS = {
    "interest_correction": "INTEREST CORRECTION",
    "fee_refund": "FEE REFUND",
    "goodwill_credit": "GOODWILL CREDIT",
}


def open_bank_account_4821(
    db: BankingDB, user_id: str, account_type: str, account_class: str, *, context: Context
) -> str:
    """Open an account. Its record lacks `class` and `level`, so some tools do not accept it, as in tau2-bench."""
    need(user_id=user_id, account_type=account_type, account_class=account_class)
    one_of(account_type, ACCOUNT_TYPES, "account_type")
    own = [row for row in rows(db, "accounts").values() if row.get("user_id") == user_id]
    if not may_open(account_type, own, context.now):
        raise Refusal(f"customer {user_id} cannot open a {account_type} account at the moment")
    account_id = digits(f"account:{user_id}:{account_type}:{account_class}", 16)
    account = {
        "account_id": account_id,
        "user_id": user_id,
        "account_type": account_type,
        "account_class": account_class,
        "current_holdings": "0.00",
        "status": "OPEN",
        "date_opened": TODAY,
    }
    if not put(db.accounts.data, account_id, account):
        raise Refusal("the customer already has this account")
    return f"Account {account_id} is open and holds $0.00."


def close_bank_account_7392(
    db: BankingDB,
    account_id: str,
    reason: str = "Customer requested closure",
    waive_early_closure_fee: bool = False,
    *,
    context: Context,
) -> str:
    need(account_id=account_id)
    account = record(db.accounts.data, account_id, "account")
    if account.get("status") == "CLOSED":
        raise Refusal(f"account {account_id} is already closed")
    fee = 0.0 if waive_early_closure_fee else early_closure_fee(account, context.now)
    held = balance(account)
    if fee and held < fee:
        raise Refusal(f"closing the account early costs {cents(fee)}, but it holds only {cents(held)}")
    if held - fee != 0:
        raise Refusal(f"the account holds {cents(held)}; it must be empty, apart from a fee of {cents(fee)}")
    account |= {
        "status": "CLOSED",
        "date_closed": TODAY,
        "closure_reason": reason,
        "early_closure_fee_waived": waive_early_closure_fee,
    }
    return f"Account {account_id} is closed."


def get_all_user_accounts_by_user_id_3847(db: BankingDB, user_id: str) -> str:
    need(user_id=user_id)
    found = {table: find(db, table, "user_id", user_id) for table in ("accounts", "credit_card_accounts")}
    if not any(found.values()):
        return f"Customer {user_id} has no account."
    return "\n".join(text(table, each) for table, each in found.items())


def transfer_funds_between_bank_accounts_7291(
    db: BankingDB, source_account_id: str, destination_account_id: str, amount: float
) -> str:
    """Move money between any two open accounts; their owners are not checked."""
    need(source_account_id=source_account_id, destination_account_id=destination_account_id)
    moved = positive_number(amount, "amount")
    if source_account_id == destination_account_id:
        raise Refusal("source and destination are the same account")
    source = record(db.accounts.data, source_account_id, "account")
    destination = record(db.accounts.data, destination_account_id, "account")
    open_account(source, source_account_id)
    open_account(destination, destination_account_id)
    held = balance(source)
    if held < moved:
        raise Refusal(f"account {source_account_id} holds less than {cents(moved)}")
    left, grown = held - moved, balance(destination) + moved
    source["current_holdings"] = dollars(left)
    destination["current_holdings"] = dollars(grown)
    return f"{cents(moved)} was moved. The source now holds {cents(left)}, the destination {cents(grown)}."


def apply_checking_account_credit_5829(db: BankingDB, account_id: str, amount: float, credit_type: str) -> str:
    credit = _credit_amount(account_id, amount, credit_type, CHECKING_CREDITS)
    account = record(db.accounts.data, account_id, "account")
    if str(account.get("class", "")).lower() != "checking":
        raise Refusal(f"account {account_id} is not a checking account")
    open_account(account, account_id)
    held = balance(account)
    account["current_holdings"] = dollars(held + credit)
    transaction_id = _add_credit(db, "checking_credit", account_id, credit_type, CHECKING_CREDITS[credit_type], credit)
    return _credit_text(transaction_id, credit, held)


def apply_savings_account_credit_6831(db: BankingDB, account_id: str, amount: float, credit_type: str) -> str:
    credit = _credit_amount(account_id, amount, credit_type, SAVINGS_CREDITS)
    account = record(db.accounts.data, account_id, "account")
    if str(account.get("class", "")).lower() not in ("saving", "savings"):
        raise Refusal(f"account {account_id} is not a savings account")
    open_account(account, account_id)
    held = balance(account)
    account["current_holdings"] = cents(held + credit)
    transaction_id = _add_credit(db, "savings_credit", account_id, credit_type, SAVINGS_CREDITS[credit_type], credit)
    return _credit_text(transaction_id, credit, held)


def _credit_amount(account_id: str, amount: float, credit_type: str, allowed: dict[str, str]) -> float:
    need(account_id=account_id, credit_type=credit_type)
    credit = positive_number(amount, "amount")
    one_of(credit_type, allowed, "credit_type")
    return credit


def _add_credit(db: BankingDB, seed: str, account_id: str, kind: str, words: str, amount: float) -> str:
    """Write a credit into the account's history; an equal one is replaced, as in tau2-bench."""
    transaction_id = f"txn_{digits(f'{seed}:{account_id}:{kind}:{amount}:{TODAY}', 16)}"
    credit: dict[str, Any] = {
        "transaction_id": transaction_id,
        "account_id": account_id,
        "date": TODAY,
        "description": f"{words} - CUSTOMER SERVICE",
        "amount": amount,
        "type": kind,
        "status": "posted",
    }
    db.bank_account_transaction_history.data[transaction_id] = credit
    return transaction_id


def _credit_text(transaction_id: str, amount: float, held: float) -> str:
    return (
        f"A credit of {cents(amount)} was applied: {transaction_id}. The account held {cents(held)} and now holds "
        f"{cents(held + amount)}."
    )


def submit_interest_discrepancy_report_7294(
    db: BankingDB,
    account_id: str,
    user_id: str,
    expected_apy: float,
    actual_apy: float,
    amount_difference: float,
) -> str:
    """Confirm a report without storing it, as in tau2-bench."""
    need(account_id=account_id, user_id=user_id)
    given(expected_apy=expected_apy, actual_apy=actual_apy, amount_difference=amount_difference)
    expected, actual = number(expected_apy, "expected_apy"), number(actual_apy, "actual_apy")
    difference = number(amount_difference, "amount_difference")
    record(rows(db, "accounts"), account_id, "account")
    record(rows(db, "users"), user_id, "customer")
    seed = f"interest_report:{account_id}:{user_id}:{expected}:{actual}:{TODAY}"
    return (
        f"Report IDR_{digits(seed, 16)} is filed: a difference of {round(expected - actual, 4)} percentage points, or "
        f"{cents(difference)} dollars."
    )


def get_bank_account_transactions_9173(db: BankingDB, account_id: str) -> str:
    need(account_id=account_id)
    record(rows(db, "accounts"), account_id, "account")
    table = "bank_account_transaction_history"
    found = find(db, table, "account_id", account_id)
    if not found:
        return f"Account {account_id} has no transactions."
    return text(table, sorted(found, key=lambda each: when(each[1].get("date")), reverse=True))
