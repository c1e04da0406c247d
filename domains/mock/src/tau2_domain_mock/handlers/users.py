"""Look up the team."""

from tau2_domain_mock.models import MockDB, User


def get_users(db: MockDB) -> list[User]:
    """List the users."""
    return list(db.users.values())
