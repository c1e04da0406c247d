"""Look-ups that tasks may make. They are not a tool."""

from tau2_domain_banking_knowledge.listing import select, text
from tau2_domain_banking_knowledge.models import BankingDB


def query_database(db: BankingDB, database_name: str, constraints: str = "{}") -> str:
    return text(database_name, select(db, database_name, constraints))
