"""The bank's tables. Their records are free-form: any JSON object, whose keys keep their order."""

from typing import Any

from pydantic import Field
from tau2_core import Database, Section

Row = dict[str, Any]


class Table(Section):
    """Records by id, and remarks about the table."""

    data: dict[str, Row] = Field(default_factory=dict)
    notes: str = ""


class BankingDB(Database):
    """The bank's database, which both sides see."""

    users: Table = Field(default_factory=Table)
    accounts: Table = Field(default_factory=Table)
    debit_cards: Table = Field(default_factory=Table)
    referrals: Table = Field(default_factory=Table)
    credit_card_applications: Table = Field(default_factory=Table)
    user_discoverable_tools: Table = Field(default_factory=Table)
    user_discoverable_tool_calls: Table = Field(default_factory=Table)
    verification_history: Table = Field(default_factory=Table)
    credit_card_transaction_history: Table = Field(default_factory=Table)
    cash_back_disputes: Table = Field(default_factory=Table)
    bank_account_transaction_history: Table = Field(default_factory=Table)
    credit_card_accounts: Table = Field(default_factory=Table)
    agent_discoverable_tools: Table = Field(default_factory=Table)
    task_config: Table = Field(default_factory=Table)
    human_transfer_requests: Table = Field(default_factory=Table)
    transaction_disputes: Table = Field(default_factory=Table)
    credit_card_orders: Table = Field(default_factory=Table)
    debit_card_orders: Table = Field(default_factory=Table)
    credit_card_closure_reasons: Table = Field(default_factory=Table)
    credit_card_account_flags: Table = Field(default_factory=Table)
    credit_limit_increase_requests: Table = Field(default_factory=Table)
    payment_history: Table = Field(default_factory=Table)
    debit_card_disputes: Table = Field(default_factory=Table)
