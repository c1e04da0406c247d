"""Customers and their profiles."""

from tau2_core import ToolError

from tau2_domain_retail.lookup import find_user
from tau2_domain_retail.models import Address, RetailDB, User


def find_user_id_by_email(db: RetailDB, email: str) -> str:
    """Return the id of the user with this e-mail address."""
    wanted = email.lower()
    for user in db.users.values():
        if user.email.lower() == wanted:
            return user.user_id
    raise ToolError(f"there is no user with the e-mail address {email!r}")


def find_user_id_by_name_zip(db: RetailDB, first_name: str, last_name: str, zip: str) -> str:
    """Return the id of the user with this name whose default address has this zip code."""
    wanted = (first_name.lower(), last_name.lower(), zip)
    for user in db.users.values():
        if (user.name.first_name.lower(), user.name.last_name.lower(), user.address.zip) == wanted:
            return user.user_id
    raise ToolError(f"there is no user {first_name} {last_name} with the zip code {zip!r}")


def get_user_details(db: RetailDB, user_id: str) -> User:
    """Return a user's profile."""
    return find_user(db, user_id)


def modify_user_address(
    db: RetailDB, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> User:
    """Replace a user's default address; orders keep theirs."""
    user = find_user(db, user_id)
    user.address = Address(address1=address1, address2=address2, city=city, state=state, country=country, zip=zip)
    return user
