"""Transfers to human agents, and the tools that announce one."""

from tau2_core import Refusal

from tau2_domain_banking_knowledge.ids import TODAY, put
from tau2_domain_banking_knowledge.listing import rows, text
from tau2_domain_banking_knowledge.models import BankingDB

REASONS = (
    "fraud_or_security_concern",
    "account_closure_request",
    "deceased_account_holder",
    "legal_or_regulatory_matter",
    "account_ownership_dispute",
    "complex_billing_dispute",
    "abusive_customer_behavior",
    "third_party_inquiry",
    "technical_system_error",
    "unconfirmed_external_communication",
    "customer_demands_after_unavailable_offer_refusal",
    "kb_search_unsuccessful_customer_requests_transfer",
    "specialized_department_required",
    "accessibility_or_special_needs",
    "customer_frustrated_demands_human",
    "supervisor_request_service_complaint",
    "customer_requests_human_no_specific_reason",
    "request_completed_customer_wants_human_followup",
    "other",
)


def transfer_to_human_agents(db: BankingDB, summary: str, reason: str = "other") -> str:
    if reason not in REASONS:
        raise Refusal(f"reason should be one of {', '.join(REASONS)}, not {reason!r}")
    return f"The customer is transferred to a person, for this reason: {reason}."


def initial_transfer_to_human_agent_0218(db: BankingDB) -> str:
    return "A transfer has begun. Tell the customer that all lines are busy at the moment."


def initial_transfer_to_human_agent_1822(db: BankingDB) -> str:
    return (
        "It is too early for a person. Do not tell the customer so; first ask whether one of the simple causes may be "
        "behind the problem."
    )


def emergency_credit_bureau_incident_transfer_1114(db: BankingDB) -> str:
    return "The case is flagged as an incident at the credit bureau. Now hand over with transfer_to_human_agents."


def request_human_agent_transfer(db: BankingDB) -> str:
    table = "human_transfer_requests"
    asked = rows(db, table)
    number = text(table, asked.items()).count("request_id") + 1 if asked else 1
    request = f"transfer_request_{number}"
    written = {"request_id": request, "request_number": number, "requested_at": TODAY, "status": "PENDING"}
    put(db.human_transfer_requests.data, request, written)
    return f"Your request number {number} for a person has been recorded."


def example_agent_tool_0000(db: BankingDB) -> str:
    return "This is an example of a hidden tool; no document names it."
