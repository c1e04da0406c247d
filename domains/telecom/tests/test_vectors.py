"""The test vectors of the behaviour specification, on the official data: hashes of both databases."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tau2_core.episode.setting import Setting
from tau2_core.episode.setup import start

Step = Callable[[Any], object]
NewWorld = Callable[[], Any]

LINE: Mapping[str, Any] = {"customer_id": "C1001", "line_id": "L1002"}


def u(name: str, /, **arguments: Any) -> Step:
    return lambda world: world.phone(name, **arguments)


def a(name: str, /, **arguments: Any) -> Step:
    return lambda world: world.account(name, **arguments)


def user(name: str, /, *, fails: bool = False, **arguments: Any) -> Step:
    return lambda world: world.call("user", name, arguments, fails=fails)


def agent(name: str, /, *, fails: bool = False, **arguments: Any) -> Step:
    return lambda world: world.call("assistant", name, arguments, fails=fails)


def holds(requestor: Any, name: str, /, *, met: bool = True, **arguments: Any) -> Step:
    def check(world: Any) -> None:
        assert world.holds(requestor, name, **arguments) == met

    return check


def raises(step: Step) -> Step:
    def check(world: Any) -> None:
        with pytest.raises(Exception, match="000"):
            step(world)

    return check


JOHN = u("set_user_info", name="John Smith", phone_number="555-123-2002")
SUSPEND = agent("suspend_line", **LINE, reason="x")


def ask(bill_id: str, *, fails: bool = False) -> Step:
    return agent("send_payment_request", fails=fails, customer_id="C1001", bill_id=bill_id)


VECTORS: Mapping[str, tuple[list[Step], str, str]] = {
    "V1": ([], "304cf5ef059852e1", "e1f3a86373888082"),
    "V2": ([JOHN], "304cf5ef059852e1", "4946e7b208fefa86"),
    "V3": ([JOHN, user("toggle_data"), user("toggle_data")], "304cf5ef059852e1", "65e1838b2dc64103"),
    "V4": (
        [JOHN, user("connect_vpn"), user("toggle_airplane_mode"), user("connect_vpn"), user("toggle_wifi")],
        "304cf5ef059852e1",
        "26c6c3e4cc8c5e9c",
    ),
    "V5": ([JOHN, SUSPEND, user("toggle_data_saver_mode")], "1b80dccbab5a91a3", "e41f8b93be05743a"),
    "V6": (
        [JOHN, SUSPEND, user("reboot_device"), agent("resume_line", **LINE), user("toggle_wifi")],
        "304cf5ef059852e1",
        "52705d3054371889",
    ),
    "V7": ([JOHN, agent("refuel_data", **LINE, gb_amount=2)], "b231b76f8961a756", "4946e7b208fefa86"),
    "V8": (
        [JOHN, agent("refuel_data", **LINE, gb_amount=0, fails=True), ask("B1002"), ask("B1001", fails=True)],
        "6fc5efcecf241d3b",
        "e5093a2492b01189",
    ),
    "V9": (
        [JOHN, ask("B1002"), user("make_payment"), user("make_payment")],
        "4d4748eab6a5bf1e",
        "4946e7b208fefa86",
    ),
    "V10": (
        [JOHN, u("break_vpn"), user("disconnect_vpn"), user("connect_vpn")],
        "304cf5ef059852e1",
        "22c00be1f23f06c5",
    ),
    "V11": (
        [JOHN, u("break_apn_mms_setting"), user("reset_apn_settings"), user("set_apn_settings", apn_settings={})],
        "304cf5ef059852e1",
        "65e1838b2dc64103",
    ),
    "V12": ([JOHN, user("set_network_mode_preference", mode=None)], "304cf5ef059852e1", "6050ec4e11c3cb8f"),
    "V13": (
        [JOHN, user("set_network_mode_preference", mode=5, fails=True)],
        "304cf5ef059852e1",
        "d778b18bd7e029d7",
    ),
    "V14": (
        [JOHN, user("set_apn_settings", apn_settings="x", fails=True), user("toggle_data", fails=True)],
        "304cf5ef059852e1",
        "b29ecbc1f00a87cf",
    ),
    "V15": (
        [
            raises(u("set_user_info", name="x", phone_number="000")),
            user("toggle_data", fails=True),
            agent("suspend_line", fails=True, customer_id="C1001", line_id="L1001", reason="x"),
        ],
        "56dbbb47fc36a972",
        "0428e85b572fdcd9",
    ),
    "V16": (
        [
            JOHN,
            u("unseat_sim_card"),
            u("lock_sim_card", mode="puk"),
            user("reseat_sim_card"),
            user("grant_app_permission", app_name="browser", permission="SMS"),
        ],
        "304cf5ef059852e1",
        "b0e57a9886083da6",
    ),
    "V17": (
        [
            JOHN,
            a("suspend_line_for_overdue_bill", **LINE, new_bill_id="B1234321", contract_ended=True),
            ask("B1234321"),
            user("make_payment"),
            agent("resume_line", **LINE),
            user("reboot_device"),
            holds("user", "assert_service_status", expected_status="connected"),
            holds("assistant", "assert_no_overdue_bill", overdue_bill_id="B1234321"),
        ],
        "b36cc7b5360e6235",
        "65e1838b2dc64103",
    ),
    "V18": (
        [
            JOHN,
            a("set_data_usage", **LINE, data_used_gb=15),
            holds("user", "assert_mobile_data_usage_exceeded", expected_status=True),
            agent("disable_roaming", **LINE),
            u("set_user_location", abroad=True),
            user("toggle_roaming"),
            agent("enable_roaming", **LINE),
        ],
        "2ac1ac747476ac8c",
        "335858858a5676fb",
    ),
    "V19": (
        [
            u("set_user_info", name="Sarah Johnson", phone_number="555-123-2004"),
            agent("send_payment_request", customer_id="C1002", bill_id="B1005"),
            agent("resume_line", customer_id="C1003", line_id="L1009"),
        ],
        "92a2fcf215c6c567",
        "5b093ac2106da413",
    ),
    "V20": (
        [
            JOHN,
            u("set_wifi_calling", enabled=True, mms_over_wifi=True),
            user("toggle_wifi_calling"),
            holds("user", "assert_can_send_mms", expected_status=True),
            user("toggle_wifi_calling"),
            holds("user", "assert_can_send_mms", expected_status=False),
        ],
        "304cf5ef059852e1",
        "75d67965efc93bf1",
    ),
}

TASKS = {
    "[service_issue]overdue_bill_suspension[PERSONA:Easy]": (
        ("aad6f2f4527d7368", "f27c4a613fd74fd2"),
        ("5a12d77ca0d69592", "65e1838b2dc64103"),
    ),
    "[service_issue]airplane_mode_on|break_apn_settings|overdue_bill_suspension|unseat_sim_card[PERSONA:None]": (
        ("aad6f2f4527d7368", "1bae805b3299cc55"),
        ("5a12d77ca0d69592", "65e1838b2dc64103"),
    ),
    "[mobile_data_issue]airplane_mode_on|bad_network_preference|bad_vpn|data_mode_off|data_saver_mode_on|"
    "data_usage_exceeded|user_abroad_roaming_disabled_off[PERSONA:Hard]": (
        ("1442db41dcd064cf", "80ee68d50afbf852"),
        ("ed58804f463f2bd3", "0246e41b80129883"),
    ),
    "[mms_issue]airplane_mode_on|bad_network_preference|bad_wifi_calling|break_apn_mms_setting|"
    "break_app_both_permissions|data_mode_off|data_usage_exceeded|unseat_sim_card|"
    "user_abroad_roaming_disabled_off[PERSONA:Hard]": (
        ("1442db41dcd064cf", "58f2a2af186f402f"),
        ("ed58804f463f2bd3", "0878c8c7cec4f210"),
    ),
}


def beginnings(world: Any) -> tuple[str, str]:
    hashes = world.hashes()
    return hashes["agent"][:16], hashes["user"][:16]


def test_the_untouched_world_has_the_official_hashes(new_world: NewWorld) -> None:
    assert new_world().hashes() == {
        "agent": "304cf5ef059852e117ea801ab9a5efc24c9713ec887679dc2e30acceb4b6742d",
        "user": "e1f3a8637388808221228ff3f87294444e6b64caf721f5eb243a85d0a9380b28",
    }


@pytest.mark.parametrize("name", VECTORS)
def test_calls_give_the_specified_hashes(new_world: NewWorld, name: str) -> None:
    steps, agent_hash, user_hash = VECTORS[name]
    world = new_world()
    for step in steps:
        step(world)
    assert beginnings(world) == (agent_hash, user_hash)


@pytest.mark.parametrize("task_id", TASKS, ids=lambda task_id: f"{task_id[1:8]}-{task_id.count('|') + 1}")
def test_official_tasks_have_the_specified_hashes(new_world: NewWorld, official: Setting, task_id: str) -> None:
    task = official.tasks()[task_id]
    world = new_world()
    start(world.environment, task)
    set_up, solved = TASKS[task_id]
    assert beginnings(world) == set_up
    for action in task.gold():
        world.call(action.requestor, action.name, action.arguments)
    assert beginnings(world) == solved
    assert task.evaluation_criteria is not None
    assert all(world.environment.holds(assertion) for assertion in task.evaluation_criteria.env_assertions or [])
