"""Looking up customers and what belongs to them, and recording that one was verified."""

from tau2_core import Context, Refusal

from tau2_domain_banking_knowledge.checks import record
from tau2_domain_banking_knowledge.ids import put
from tau2_domain_banking_knowledge.listing import listed
from tau2_domain_banking_knowledge.models import BankingDB


def get_current_time(db: BankingDB, *, context: Context) -> str:
    return f"It is {context.now:%Y-%m-%d %H:%M:%S} EST."


def get_user_information_by_id(db: BankingDB, user_id: str) -> str:
    return listed(db, "users", "user_id", user_id)


def get_user_information_by_name(db: BankingDB, customer_name: str) -> str:
    return listed(db, "users", "name", customer_name)


def get_user_information_by_email(db: BankingDB, email: str) -> str:
    return listed(db, "users", "email", email)


def change_user_email(db: BankingDB, user_id: str, new_email: str) -> str:
    record(db.users.data, user_id, "customer")["email"] = new_email
    return f"The email address of customer {user_id} is now {new_email}."


def get_referrals_by_user(db: BankingDB, user_id: str) -> str:
    return listed(db, "referrals", "referrer_id", user_id)


def get_credit_card_transactions_by_user(db: BankingDB, user_id: str) -> str:
    return listed(db, "credit_card_transaction_history", "user_id", user_id)


def get_credit_card_accounts_by_user(db: BankingDB, user_id: str) -> str:
    return listed(db, "credit_card_accounts", "user_id", user_id)


def log_verification(
    db: BankingDB,
    name: str,
    user_id: str,
    address: str,
    email: str,
    phone_number: str,
    date_of_birth: str,
    time_verified: str,
) -> str:
    """Record a verification as given; nothing is compared with the customer's record."""
    written = {
        "name": name,
        "user_id": user_id,
        "address": address,
        "email": email,
        "phone_number": phone_number,
        "date_of_birth": date_of_birth,
        "time_verified": time_verified,
    }
    when = time_verified.replace(" ", "_").replace(":", "").replace("-", "")
    if not put(db.verification_history.data, f"{user_id}_{when}", written):
        raise Refusal("this verification has already been logged")
    return f"The verification of {name} (customer {user_id}) at {time_verified} is logged."
