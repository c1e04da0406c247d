"""What customers do themselves: apply for a card, refer a friend, and pay."""

from tau2_core import Refusal

from tau2_domain_banking_knowledge.card_types import CARDS
from tau2_domain_banking_knowledge.checks import one_of
from tau2_domain_banking_knowledge.ids import TODAY, digits, joined, put
from tau2_domain_banking_knowledge.models import BankingDB
from tau2_domain_banking_knowledge.money import cents, number


def apply_for_credit_card(
    db: BankingDB, card_type: str, customer_name: str, annual_income: float, rho_bank_subscription: bool = False
) -> str:
    one_of(card_type, CARDS, "card_type")
    income = number(annual_income, "annual_income")
    application_id = digits(f"credit_card:{card_type}:{customer_name}:{income}:{rho_bank_subscription}", 16)
    application = {
        "application_id": application_id,
        "card_type": card_type,
        "customer_name": customer_name,
        "annual_income": income,
        "rho_bank_subscription": rho_bank_subscription,
        "status": "PENDING",
        "date": TODAY,
    }
    if not put(db.credit_card_applications.data, application_id, application):
        raise Refusal("you have already applied for this card")
    return f"You have applied for the {card_type}."


def submit_referral(db: BankingDB, user_id: str, account_type: str) -> str:
    referral_id = digits(joined("referral", user_id, account_type), 16)
    referral = {
        "referral_id": referral_id,
        "referrer_id": user_id,
        "referred_account_type": account_type,
        "referral_status": "NO_PROGRESS",
        "date": TODAY,
    }
    if not put(db.referrals.data, referral_id, referral):
        raise Refusal("you have already made this referral")
    return f"Your referral is recorded: {referral_id}."


def submit_transaction(
    db: BankingDB, user_id: str, credit_card_type: str, merchant_name: str, amount: float, category: str
) -> str:
    one_of(credit_card_type, CARDS, "credit_card_type")
    seed = joined("transaction", user_id, credit_card_type, merchant_name, cents(amount), category)
    transaction_id = f"txn_{digits(seed, 12)}"
    points = int(amount * CARDS[credit_card_type].rate(category))
    transaction = {
        "transaction_id": transaction_id,
        "user_id": user_id,
        "credit_card_type": credit_card_type,
        "merchant_name": merchant_name,
        "transaction_amount": f"${cents(amount)}",
        "transaction_date": TODAY,
        "category": category,
        "status": "COMPLETED",
        "rewards_earned": f"{points} points",
    }
    if not put(db.credit_card_transaction_history.data, transaction_id, transaction):
        raise Refusal("you have already made this payment")
    return f"You have paid {cents(amount)}: {transaction_id}."
