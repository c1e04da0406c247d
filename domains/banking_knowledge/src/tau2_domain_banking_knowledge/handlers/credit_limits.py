"""Credit limits: requests for a higher one, the payment history that they depend on, and the decision."""

from collections.abc import Mapping
from typing import Any

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import card_account_of, given, need, one_of, record
from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import history, rows
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import cents, dollars, number, parsed, positive, whole

DENIAL_REASONS = (
    "insufficient_account_age",
    "cooldown_period_active",
    "pending_disputes",
    "pending_replacement_card",
    "past_due_balance",
    "high_utilization",
    "insufficient_payment_history",
    "requested_amount_exceeds_limit",
    "other",
)
OPEN_DISPUTES = ("SUBMITTED", "UNDER_REVIEW", "PENDING")
OPEN_ORDERS = ("PENDING", "PROCESSING", "SHIPPED")  # not ORDERED, although the tool that orders writes it
BAD_STANDING = ("PAST_DUE", "DELINQUENT", "COLLECTIONS", "CLOSED")


def _request_id(account: str, user_id: str, amount: float) -> str:
    return f"cli_{digits(f'cli_request:{account}:{user_id}:{cents(amount)}', 12)}"


def submit_credit_limit_increase_request_7392(
    db: BankingDB, credit_card_account_id: str, user_id: str, requested_increase_amount: int
) -> str:
    need(credit_card_account_id=credit_card_account_id, user_id=user_id)
    amount = whole(requested_increase_amount, "requested_increase_amount")
    positive(amount, "requested_increase_amount")
    card_account_of(db, credit_card_account_id, user_id)
    request_id = _request_id(credit_card_account_id, user_id, amount)
    request = {
        "request_id": request_id,
        "credit_card_account_id": credit_card_account_id,
        "user_id": user_id,
        "requested_increase_amount": amount,
        "submitted_at": TODAY,
        "status": "PENDING",
    }
    if not put(db.credit_limit_increase_requests.data, request_id, request):
        raise Refusal("the same increase has already been requested")
    return f"The request is recorded: {request_id}."


def get_credit_limit_increase_history_4829(db: BankingDB, credit_card_account_id: str) -> str:
    need(credit_card_account_id=credit_card_account_id)
    return history(
        db,
        "credit_limit_increase_requests",
        "credit_card_account_id",
        credit_card_account_id,
        nothing=f"No increase was requested for {credit_card_account_id}.",
    )


def get_payment_history_6183(db: BankingDB, credit_card_account_id: str, months: int) -> str:
    """List the last payments. Dates are sorted as text, and `months` limits entries, as in tau2-bench."""
    need(credit_card_account_id=credit_card_account_id)
    wanted = int(number(months, "months"))
    positive(wanted, "months")
    payments: list[Mapping[str, Any]] = [
        row
        for row in rows(db, "payment_history").values()
        if row.get("credit_card_account_id") == credit_card_account_id
    ]
    if not payments:
        return f"No payment is recorded for {credit_card_account_id}."
    latest = sorted(payments, key=lambda row: row.get("payment_date", ""), reverse=True)[:wanted]
    on_time = next((place for place, row in enumerate(latest) if row.get("status") != "ON_TIME"), len(latest))
    lines = [f"{row.get('payment_date')}: {row.get('amount')}, {row.get('status')}" for row in latest]
    return "\n".join([f"The last {len(latest)} payments, of which {on_time} in a row were on time:", *lines])


def approve_credit_limit_increase_5847(
    db: BankingDB, credit_card_account_id: str, user_id: str, new_credit_limit: int
) -> str:
    """Set a limit. A pending request stays open; if it is for the same amount, the approval is not recorded."""
    need(credit_card_account_id=credit_card_account_id, user_id=user_id)
    given(new_credit_limit=new_credit_limit)
    account = card_account_of(db, credit_card_account_id, user_id)
    _refuse_if_ineligible(db, credit_card_account_id, user_id, account)
    try:
        old = parsed(account.get("credit_limit"))
    except ValueError:
        old = 0.0
    new = float(new_credit_limit)
    account["credit_limit"] = dollars(new)
    request_id = _request_id(credit_card_account_id, user_id, new - old)
    decision = {
        "request_id": request_id,
        "credit_card_account_id": credit_card_account_id,
        "user_id": user_id,
        "previous_limit": dollars(old),
        "new_limit": dollars(new),
        "increase_amount": dollars(new - old),
        "decision_date": TODAY,
        "status": "APPROVED",
    }
    put(db.credit_limit_increase_requests.data, request_id, decision)
    return f"The limit was {cents(old)} and is now {cents(new)}, which is {cents(new - old)} more."


def _refuse_if_ineligible(db: BankingDB, account_id: str, user_id: str, account: Mapping[str, Any]) -> None:
    disputes = rows(db, "transaction_disputes").values()
    orders = rows(db, "credit_card_orders").values()
    if any(row.get("user_id") == user_id and row.get("status") in OPEN_DISPUTES for row in disputes):
        raise Refusal("the customer has an open dispute")
    if any(row.get("credit_card_account_id") == account_id and row.get("status") in OPEN_ORDERS for row in orders):
        raise Refusal("a replacement of the card is on its way")
    if str(account.get("account_status", "")).upper() in BAD_STANDING:
        raise Refusal(f"the account's status is {account['account_status']}")


def deny_credit_limit_increase_5848(
    db: BankingDB, credit_card_account_id: str, user_id: str, denial_reason: str
) -> str:
    """Record a denial. The account's owner is not checked, and a pending request stays open."""
    need(credit_card_account_id=credit_card_account_id, user_id=user_id, denial_reason=denial_reason)
    one_of(denial_reason, DENIAL_REASONS, "denial_reason")
    record(db.credit_card_accounts.data, credit_card_account_id, "credit card account")
    request_id = _request_id(credit_card_account_id, user_id, 0.0)
    decision = {
        "request_id": request_id,
        "credit_card_account_id": credit_card_account_id,
        "user_id": user_id,
        "denial_reason": denial_reason,
        "decision_date": TODAY,
        "status": "DENIED",
    }
    put(db.credit_limit_increase_requests.data, request_id, decision)
    return f"The increase is denied, for this reason: {denial_reason}."
