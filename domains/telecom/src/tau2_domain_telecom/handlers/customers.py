"""Find a customer."""

from tau2_domain_telecom.finding import find_customer, find_customer_by_phone
from tau2_domain_telecom.models import Customer, TelecomDB


def get_customer_by_phone(db: TelecomDB, phone_number: str) -> Customer:
    """Return the customer with a number as contact or on a line."""
    return find_customer_by_phone(db, phone_number)


def get_customer_by_id(db: TelecomDB, customer_id: str) -> Customer:
    """Return a customer."""
    return find_customer(db, customer_id)


def get_customer_by_name(db: TelecomDB, full_name: str, dob: str) -> list[Customer]:
    """List the customers with a name, ignoring case, and a date of birth."""
    wanted = full_name.lower()
    return [
        customer for customer in db.customers if customer.full_name.lower() == wanted and customer.date_of_birth == dob
    ]
