"""Payment requests."""

from tau2_domain_telecom.phone import PhoneDB


def check_payment_request(db: PhoneDB) -> str:
    """Show the payment request."""
    request = db.surroundings.payment_request
    if request is None:
        return "You have no payment request."
    return f"You are asked to pay bill {request.bill_id}: {request.amount_due} USD."


def make_payment(db: PhoneDB) -> str:
    """Pay the requested amount; the following sync settles the bill."""
    request = db.surroundings.payment_request
    if request is None:
        return "There is nothing to pay: you have no payment request."
    request.paid = True
    return f"You paid {request.amount_due} USD for bill {request.bill_id}."
