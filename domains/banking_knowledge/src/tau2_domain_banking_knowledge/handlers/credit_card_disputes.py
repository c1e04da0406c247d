"""Disputes about purchases with a credit card."""

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import given, need, one_of
from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import history
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import cents

CARD_ACTIONS = ("keep_active", "cancel_and_reissue")
REASONS = (
    "unauthorized_fraudulent_charge",
    "duplicate_charge",
    "incorrect_amount",
    "goods_services_not_received",
    "goods_services_not_as_described",
    "canceled_subscription_still_charging",
    "refund_never_processed",
)
RESOLUTIONS = ("full_refund", "partial_refund")


def file_credit_card_transaction_dispute_4829(
    db: BankingDB,
    transaction_id: str,
    card_action: str,
    card_last_4_digits: str,
    full_name: str,
    user_id: str,
    phone: str,
    email: str,
    address: str,
    contacted_merchant: bool,
    purchase_date: str,
    issue_noticed_date: str,
    dispute_reason: str,
    resolution_requested: str,
    eligible_for_provisional_credit: bool,
    partial_refund_amount: float | None = None,
) -> str:
    """File a dispute. An amount that is not a number fails only after the dispute is stored, as in tau2-bench."""
    need(transaction_id=transaction_id, user_id=user_id)
    one_of(card_action, CARD_ACTIONS, "card_action")
    one_of(dispute_reason, REASONS, "dispute_reason")
    one_of(resolution_requested, RESOLUTIONS, "resolution_requested")
    if resolution_requested == "partial_refund":
        given(partial_refund_amount=partial_refund_amount)
    dispute_id = f"dsp_{digits(f'dispute:{user_id}:{transaction_id}', 12)}"
    dispute = {
        "dispute_id": dispute_id,
        "transaction_id": transaction_id,
        "user_id": user_id,
        "card_action": card_action,
        "card_last_4_digits": card_last_4_digits,
        "full_name": full_name,
        "phone": phone,
        "email": email,
        "address": address,
        "contacted_merchant": contacted_merchant,
        "purchase_date": purchase_date,
        "issue_noticed_date": issue_noticed_date,
        "dispute_reason": dispute_reason,
        "resolution_requested": resolution_requested,
        "partial_refund_amount": partial_refund_amount,
        "eligible_for_provisional_credit": eligible_for_provisional_credit,
        "provisional_credit_given": eligible_for_provisional_credit,
        "submitted_at": TODAY,
        "status": "SUBMITTED",
    }
    if not put(db.transaction_disputes.data, dispute_id, dispute):
        raise Refusal("this transaction is already disputed")
    part = f" for {cents(partial_refund_amount)}" if partial_refund_amount else ""
    return f"Dispute {dispute_id} about transaction {transaction_id}{part} is filed."


def get_user_dispute_history_7291(db: BankingDB, user_id: str) -> str:
    need(user_id=user_id)
    return history(db, "transaction_disputes", "user_id", user_id, nothing=f"Customer {user_id} has filed no dispute.")
