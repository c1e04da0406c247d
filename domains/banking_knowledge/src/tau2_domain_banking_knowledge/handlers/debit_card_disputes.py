"""Disputes about payments and withdrawals with a debit card."""

from tau2_core import Refusal

from tau2_domain_banking_knowledge.checks import given, need, one_of, record
from tau2_domain_banking_knowledge.deposit_images import IMAGES
from tau2_domain_banking_knowledge.ids import TODAY, digits, put
from tau2_domain_banking_knowledge.listing import history, rows
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import cents, positive

CATEGORIES = (
    "unauthorized_transaction",
    "atm_cash_discrepancy",
    "atm_deposit_not_credited",
    "duplicate_charge",
    "incorrect_amount",
    "goods_services_not_received",
    "recurring_charge_after_cancellation",
    "card_present_fraud",
    "card_not_present_fraud",
)
FRAUD = ("unauthorized_transaction", "card_present_fraud", "card_not_present_fraud")
TRANSACTION_TYPES = (
    "pin_purchase",
    "signature_purchase",
    "online_purchase",
    "atm_withdrawal",
    "atm_deposit",
    "recurring_payment",
    "person_to_person",
)
PIN_ANSWERS = ("yes_shared", "yes_observed", "no", "unknown")
CARD_ACTIONS = ("keep_active", "freeze_pending_investigation", "close_and_reissue")
POLICE_FROM = 500


def file_debit_card_transaction_dispute_6281(
    db: BankingDB,
    transaction_id: str,
    account_id: str,
    card_id: str,
    user_id: str,
    dispute_category: str,
    transaction_date: str,
    discovery_date: str,
    disputed_amount: float,
    transaction_type: str,
    card_in_possession: bool,
    pin_compromised: str,
    contacted_merchant: bool,
    police_report_filed: bool,
    written_statement_provided: bool,
    provisional_credit_eligible: bool,
    customer_max_liability_amount: float,
    card_action: str,
) -> str:
    """File a dispute as given; nothing is looked up."""
    need(
        transaction_id=transaction_id,
        account_id=account_id,
        card_id=card_id,
        user_id=user_id,
        dispute_category=dispute_category,
        transaction_date=transaction_date,
        discovery_date=discovery_date,
        disputed_amount=disputed_amount,
        transaction_type=transaction_type,
        pin_compromised=pin_compromised,
        card_action=card_action,
    )
    given(
        customer_max_liability_amount=customer_max_liability_amount,
        card_in_possession=card_in_possession,
        contacted_merchant=contacted_merchant,
        police_report_filed=police_report_filed,
        written_statement_provided=written_statement_provided,
    )
    one_of(dispute_category, CATEGORIES, "dispute_category")
    one_of(transaction_type, TRANSACTION_TYPES, "transaction_type")
    one_of(pin_compromised, PIN_ANSWERS, "pin_compromised")
    one_of(card_action, CARD_ACTIONS, "card_action")
    positive(disputed_amount, "disputed_amount")
    dispute_id = f"dsp_{digits(f'dispute:{user_id}:{transaction_id}', 12)}"
    fraud = dispute_category in FRAUD
    dispute = {
        "dispute_id": dispute_id,
        "transaction_id": transaction_id,
        "account_id": account_id,
        "card_id": card_id,
        "user_id": user_id,
        "dispute_category": dispute_category,
        "transaction_date": transaction_date,
        "discovery_date": discovery_date,
        "disputed_amount": disputed_amount,
        "transaction_type": transaction_type,
        "card_in_possession": card_in_possession,
        "pin_compromised": pin_compromised,
        "contacted_merchant": contacted_merchant,
        "police_report_filed": police_report_filed,
        "written_statement_provided": written_statement_provided,
        "provisional_credit_eligible": provisional_credit_eligible,
        "provisional_credit_issued": provisional_credit_eligible,
        "provisional_credit_amount": disputed_amount if provisional_credit_eligible else None,
        "customer_max_liability_amount": customer_max_liability_amount,
        "card_action": card_action,
        "is_fraud_category": fraud,
        "pin_shared_voluntarily": pin_compromised == "yes_shared",
        "submitted_at": TODAY,
        "status": "OPEN",
    }
    if not put(db.debit_card_disputes.data, dispute_id, dispute):
        raise Refusal("this transaction is already disputed")
    told = [f"Dispute {dispute_id} about transaction {transaction_id} for {cents(disputed_amount)} is filed."]
    if pin_compromised == "yes_shared":
        told.append("Note that the customer has shared the PIN, which may make the customer liable.")
    if fraud and disputed_amount > POLICE_FROM and not police_report_filed:
        told.append("Note that a fraud of this size should be reported to the police.")
    return " ".join(told)


def get_debit_dispute_status_7483(db: BankingDB, user_id: str) -> str:
    need(user_id=user_id)
    return history(
        db,
        "debit_card_disputes",
        "user_id",
        user_id,
        nothing=f"Customer {user_id} has filed no dispute about a debit card.",
    )


def get_atm_deposit_images_8473(db: BankingDB, transaction_id: str) -> str:
    need(transaction_id=transaction_id)
    row = record(rows(db, "bank_account_transaction_history"), transaction_id, "transaction")
    words = str(row.get("description", ""))
    if row.get("type") != "atm_deposit":
        raise Refusal(f"transaction {transaction_id} is not a deposit at a machine")
    if not any(name in words.upper() for name in ("RHO-BANK", "RHOBANK")):
        raise Refusal("the machine is not one of this bank's")
    if transaction_id in IMAGES:
        return IMAGES[transaction_id]
    amount = cents(abs(row.get("amount", 0)))
    return f"There are no images for {transaction_id}: {words}, {row.get('date')}, {amount}."
