"""The test vectors of the behaviour specification, on the official data: the marks of the calls, and the final hash."""

from collections.abc import Callable
from typing import Any

import pytest

Play = Callable[[Any], object]

FREEZE, ACCOUNTS = "freeze_debit_card_3892", "get_all_user_accounts_by_user_id_3847"
DISPUTE, ORDER = "file_credit_card_transaction_dispute_4829", "order_debit_card_5739"
MOVE, CREDIT = "transfer_funds_between_bank_accounts_7291", "apply_checking_account_credit_5829"
REQUEST, APPROVE = "submit_credit_limit_increase_request_7392", "approve_credit_limit_increase_5847"
OPEN, CLOSE = "open_bank_account_4821", "close_bank_account_7392"
CARD = {"card_id": "dbc_538bfb9cba"}
VERIFIED = {
    "name": "a",
    "user_id": "123",
    "address": "b",
    "email": "c",
    "phone_number": "d",
    "date_of_birth": "e",
    "time_verified": "2025-11-14 03:40:00 EST",
}
DISPUTED = {
    "transaction_id": "txn_8d1aa1219382",
    "card_action": "keep_active",
    "card_last_4_digits": "0000",
    "full_name": "A",
    "user_id": "01f21c9970",
    "phone": "1",
    "email": "e",
    "address": "s",
    "contacted_merchant": True,
    "purchase_date": "10/02/2025",
    "issue_noticed_date": "10/03/2025",
    "dispute_reason": "incorrect_amount",
    "resolution_requested": "partial_refund",
    "eligible_for_provisional_credit": False,
}
ORDERED = {
    "account_id": "07",
    "user_id": "e3f4a5b6c7",
    "delivery_option": "rush",
    "delivery_fee": 35,
    "card_design": "CUSTOM",
    "design_fee": 10.5,
    "shipping_address": "x",
    "excess_replacement_fee": 15,
}
REPLACED = {"credit_card_account_id": 'x"y', "user_id": "123", "shipping_address": "a", "reason": "lost"}
LIMIT = {"credit_card_account_id": "cc_76ad9cc60e_gold", "user_id": "76ad9cc60e"}
ACTIVATED = {
    "card_id": "dbc_7a3f9c2b1e",
    "last_4_digits": "2847",
    "expiration_date": "x",
    "cvv": "516",
    "pin": "5926",
}
BOUGHT = {
    "user_id": "123",
    "credit_card_type": "Silver Rewards Card",
    "merchant_name": "Delta",
    "amount": 99.99,
    "category": "Travel",
}
REPORTED = {"account_id": "02", "user_id": "123", "expected_apy": 3, "actual_apy": 2.5, "amount_difference": 1}


def unlocked(name: str, /, **arguments: Any) -> Play:
    """Return a sequence of calls that unlocks a tool and uses it."""

    def play(world: Any) -> None:
        world.unlock(name)
        world.use(name, **arguments)

    return play


def handed(*calls: dict[str, Any]) -> Play:
    """Return a sequence of calls in which the customer is given the tool for checks and uses it."""

    def play(world: Any) -> None:
        world.give("deposit_check_3847")
        for arguments in calls:
            world.use_handed("deposit_check_3847", **arguments)

    return play


def in_turn(*plays: Play) -> Play:
    def play(world: Any) -> None:
        for each in plays:
            each(world)

    return play


def user(name: str, /, **arguments: Any) -> Play:
    return lambda world: world.call("user", name, **arguments)


def agent(name: str, /, **arguments: Any) -> Play:
    return lambda world: world.call("assistant", name, **arguments)


def opened_and_closed(world: Any) -> None:
    world.unlock(OPEN, CLOSE)
    answer = world.use(OPEN, user_id="125", account_type="savings", account_class="Gold Account").content
    world.use(CLOSE, account_id=answer.split()[1])


VECTORS: dict[str, tuple[Play, str, str]] = {
    "V1": (lambda _world: None, "", "af324a7d72aced58"),
    "V2": (
        in_turn(lambda world: world.unlock(FREEZE), agent("list_discoverable_agent_tools")),
        "✓✓",
        "af324a7d72aced58",
    ),
    "V3": (
        in_turn(agent("log_verification", **VERIFIED), agent("log_verification", **VERIFIED)),
        "✓R",
        "8df58e33daec8144",
    ),
    "V4": (unlocked(FREEZE, **CARD), "✓✓", "0fd395ad9eac0559"),
    "V5": (lambda world: world.use(FREEZE, **CARD), "R", "af324a7d72aced58"),
    "V6": (agent(FREEZE, **CARD), "✓", "fcf253575faee852"),
    "V7": (unlocked(FREEZE, card_id="none"), "✓R", "4eadcc5dc5699c3a"),
    "V8": (unlocked(ACCOUNTS, user_id="123"), "✓✓", "af324a7d72aced58"),
    "V10": (handed({"account_id": "03", "check_amount": 33}), "✓✓", "a02922acabababf6"),
    "V11": (handed({"account_id": "03", "check_amount": 33.0}), "✓✓", "a02922acabababf6"),
    "V12": (handed({"account_id": "none", "check_amount": 33}), "✓R", "c00f58b772533356"),
    "V13": (unlocked(DISPUTE, **DISPUTED, partial_refund_amount="5"), "✓✗", "e43edaed84195774"),
    "V14": (unlocked(DISPUTE, **DISPUTED, partial_refund_amount=[5]), "✓R", "eea1989bf1b41cbb"),
    "V15": (unlocked(DISPUTE, **DISPUTED, partial_refund_amount=5), "✓✓", "34cc61d0deeb646a"),
    "V16": (unlocked("order_replacement_credit_card_7291", **REPLACED), "✓✓", "ff2c4aefb5e1e3fa"),
    "V17": (
        in_turn(
            unlocked(CREDIT, account_id="03", amount=9.5, credit_type="fee_refund"),
            lambda world: world.use(CREDIT, account_id="03", amount=9.5, credit_type="fee_refund"),
        ),
        "✓✓✓",
        "eaed5e7bdbac9d5c",
    ),
    "V18": (unlocked(ORDER, **ORDERED), "✓✓", "2eadab7dc88dc13f"),
    "V19": (
        in_turn(
            lambda world: world.unlock(MOVE, ORDER),
            lambda world: world.use(MOVE, source_account_id="08", destination_account_id="07", amount=1),
            lambda world: world.use(ORDER, **ORDERED),
        ),
        "✓✓✓R",
        "e544d45eb33036eb",
    ),
    "V20": (in_turn(*[user("request_human_agent_transfer")] * 3), "✓✓✓", "93515b3b54e4ee28"),
    "V21": (
        user("apply_for_credit_card", card_type="EcoCard", customer_name="a", annual_income=100000),
        "✓",
        "90bb2cfed26de693",
    ),
    "V22": (unlocked("submit_interest_discrepancy_report_7294", **REPORTED), "✓✓", "8ab25325eb86be47"),
    "V23": (
        in_turn(
            lambda world: world.unlock(REQUEST, APPROVE),
            lambda world: world.use(REQUEST, **LIMIT, requested_increase_amount=500),
            lambda world: world.use(APPROVE, **LIMIT, new_credit_limit=500),
        ),
        "✓✓✓✓",
        "a005e19aaa54acf0",
    ),
    "V24": (unlocked("activate_debit_card_8291", **ACTIVATED), "✓✓", "a37d1178c576ac62"),
    "V25": (
        in_turn(user("submit_transaction", **BOUGHT), user("submit_referral", user_id="123", account_type="EcoCard")),
        "✓✓",
        "f9d9eff9da945767",
    ),
    "V26": (opened_and_closed, "✓✓✓✓", "0906866e3ce8466f"),
}


@pytest.mark.parametrize("name", VECTORS)
def test_calls_give_the_specified_marks_and_hash(official_world: Callable[..., Any], name: str) -> None:
    play, marks, expected = VECTORS[name]
    world = official_world()
    play(world)
    assert (world.marks, world.hash()) == (marks, expected)


def test_a_read_that_the_gold_makes_is_logged(official_world: Callable[..., Any]) -> None:
    world = official_world(logged_reads=[ACCOUNTS])
    unlocked(ACCOUNTS, user_id="123")(world)
    assert (world.marks, world.hash()) == ("✓✓", "545cc1f5a3a401bf")


@pytest.mark.parametrize(
    ("variant", "digest"),
    [
        ("no_knowledge", "03c468b433109e52"),
        ("full_kb", "22b909afdef971a8"),
        ("bm25", "430e719f33d87660"),
        ("bm25_grep", "3417396339ae4367"),
        ("grep_only", "24ef71b87dbe5be0"),
    ],
)
def test_policies_are_the_official_ones(setting_of: Any, official: Any, variant: str, digest: str) -> None:
    from hashlib import sha256

    setting = setting_of(dataset=official.dataset.root, variant=variant)
    assert sha256(setting.policy_text.encode()).hexdigest()[:16] == digest


def test_a_policy_contains_the_documents_of_its_task(setting_of: Any, official: Any) -> None:
    from hashlib import sha256

    setting = setting_of(dataset=official.dataset.root, variant="golden_retrieval")
    policy = setting.policy_for(setting.tasks()["task_027"])
    assert sha256(policy.encode()).hexdigest()[:16] == "fffd14415bf718fa"
