"""Arguments that violate the tools' schemas: mode tau2 accepts them, as in tau2-bench, and mode strict refuses them."""

from typing import Any

import pytest


def network(world: Any) -> tuple[str, str, str]:
    device = world.device
    return device.network_connection_status, device.network_technology_connected, device.network_signal_strength


@pytest.mark.parametrize("mode", ["5g", "", "4G_ONLY"])
def test_an_unknown_mode_is_refused_with_a_message(loose: Any, mode: str) -> None:
    before = loose.hashes()
    assert f"'{mode}'" in loose.user("set_network_mode_preference", mode=mode)
    assert loose.hashes() == before


@pytest.mark.parametrize(("mode", "fails"), [(None, False), (5, True), ([], True), (True, True)])
def test_a_mode_that_is_not_text_is_stored_and_gives_4g(loose: Any, mode: Any, fails: bool) -> None:
    loose.call("user", "set_network_mode_preference", {"mode": mode}, fails=fails)
    assert loose.device.network_mode_preference is mode or loose.device.network_mode_preference == mode
    assert network(loose) == ("connected", "4G", "good")
    loose.call("user", "check_network_mode_preference", {}, fails=True)


@pytest.mark.parametrize("settings", ["{}", None, [], 5])
def test_invalid_apn_settings_break_the_phone(loose: Any, settings: Any) -> None:
    loose.call("user", "set_apn_settings", {"apn_settings": settings}, fails=True)
    assert loose.device.active_apn_settings == settings
    assert network(loose) == ("connected", "5G", "good")
    for name in ("reboot_device", "reset_apn_settings", "check_apn_settings", "can_send_mms"):
        before = loose.hashes()
        loose.call("user", name, {}, fails=True)
        assert loose.hashes() == before
    loose.call("user", "toggle_data", {}, fails=True)
    assert (loose.device.data_enabled, network(loose)) == (False, ("connected", "5G", "excellent"))
    assert "cannot" in loose.user("can_send_mms")
    loose.user("set_apn_settings", apn_settings={"mms_port": "80"})
    loose.user("toggle_data")
    assert loose.device.active_apn_settings.mms_port == 80


@pytest.mark.parametrize("settings", [{"apn_name": "other"}, {"colour": "red"}, {"mms_port": "x"}])
def test_wrong_apn_settings_change_nothing(loose: Any, settings: dict[str, str]) -> None:
    before = loose.hashes()
    loose.call("user", "set_apn_settings", {"apn_settings": settings}, fails=True)
    assert loose.hashes() == before


def test_strict_mode_refuses_all_of_this(world: Any) -> None:
    before = world.hashes()
    world.call("user", "set_network_mode_preference", {"mode": 5}, fails=True)
    world.call("user", "set_network_mode_preference", {"mode": "5g"}, fails=True)
    world.call("user", "set_apn_settings", {"apn_settings": "x"}, fails=True)
    assert world.hashes() == before


def test_an_unknown_status_gives_no_answer(world: Any) -> None:
    with pytest.raises(Exception, match="lost"):
        world.holds("user", "assert_service_status", expected_status="lost")


def test_reseating_does_not_help_if_the_sim_itself_is_missing(loose: Any) -> None:
    device = loose.environment.worlds["user"].write_field("device")
    device.sim_card_status, device.sim_card_missing = "missing", True
    loose.call("user", "reseat_sim_card", {}, fails=True)
    assert (device.sim_card_missing, network(loose)) == (False, ("no_service", "none", "none"))
