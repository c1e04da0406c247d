"""The rules of the phone, and its quirks kept for parity, on the pack's own data."""

from typing import Any

import pytest

GOOD = "Status Bar: 📶⁴ Excellent | 5G | 📱 Data Enabled | 🔋 80%"
NO_SERVICE = "Status Bar: 📵 No Signal | 📵 Data Disabled | 🔋 80%"
FLYING = "Status Bar: ✈️ Airplane Mode | 🔋 80%"
CONDITIONS = [("good", False), ("good", True), ("poor", False), ("poor", True)]  # of VPN and data saver


def network(world: Any) -> tuple[str, str, str]:
    device = world.device
    return device.network_connection_status, device.network_technology_connected, device.network_signal_strength


LOST = ("no_service", "none", "none")
BEST = ("connected", "5G", "excellent")


class TestNetworkSearch:
    def test_the_first_search_finds_a_better_network_than_the_start_state(self, world: Any) -> None:
        assert network(world) == ("connected", "5G", "good")
        world.user("toggle_data")
        world.user("toggle_data")
        assert network(world) == BEST

    @pytest.mark.parametrize(
        ("mode", "found"),
        [
            ("4g_5g_preferred", BEST),
            ("4g_only", ("connected", "4G", "good")),
            ("3g_only", ("connected", "3G", "fair")),
            ("2g_only", ("connected", "2G", "poor")),
        ],
    )
    def test_the_network_follows_the_preferred_mode(self, world: Any, mode: str, found: tuple[str, str, str]) -> None:
        text = world.user("set_network_mode_preference", mode=mode)
        assert text.startswith(f"Preferred Network Mode set to: {mode}\nStatus Bar: ")
        assert network(world) == found
        assert world.user("check_network_mode_preference") == f"Network Mode Preference: {mode}"

    @pytest.mark.parametrize(
        ("fault", "arguments", "fix"),
        [
            ("turn_airplane_mode_on", {}, ["toggle_airplane_mode"]),
            ("unseat_sim_card", {}, ["reseat_sim_card"]),
            ("break_apn_settings", {}, ["reset_apn_settings", "reboot_device"]),
            ("lock_sim_card", {"mode": "pin"}, None),
            ("lock_sim_card", {"mode": "puk"}, None),
        ],
    )
    def test_loses_service(self, world: Any, fault: str, arguments: dict[str, str], fix: list[str] | None) -> None:
        world.phone(fault, **arguments)
        assert network(world) == LOST
        assert world.holds("user", "assert_service_status", expected_status="no_service")
        assert world.user("run_speed_test") == "Speed test failed: No Connection."
        for name in fix or ["reseat_sim_card", "reset_apn_settings", "reboot_device"]:
            world.user(name)
        assert network(world) == (BEST if fix else LOST)

    def test_resetting_the_apn_takes_effect_at_the_reboot(self, world: Any) -> None:
        world.phone("break_apn_settings")
        assert world.user("reboot_device") == f"Restarting network services...\n{NO_SERVICE}"
        assert world.user("reset_apn_settings") == f"APN settings will reset at reboot.\n{NO_SERVICE}"
        assert world.user("reboot_device") == f"Resetting APN settings...\nRestarting network services...\n{GOOD}"
        assert world.device.active_apn_settings.reset_at_reboot is False

    def test_new_apn_settings_take_effect_at_once_and_cancel_a_reset(self, world: Any) -> None:
        world.phone("break_apn_settings")
        world.phone("break_apn_mms_setting")
        world.user("reset_apn_settings")
        assert world.user("set_apn_settings", apn_settings={}) == f"APN settings set to: internet\n{GOOD}"
        assert world.holds("user", "assert_can_send_mms", expected_status=True)
        assert not world.user("reboot_device").startswith("Resetting")

    def test_locking_with_an_unknown_mode_only_searches(self, loose: Any) -> None:
        loose.phone("lock_sim_card", mode="glue")
        assert network(loose) == BEST

    def test_setting_a_switch_to_its_current_state_searches_and_drops_the_vpn(self, world: Any) -> None:
        world.user("connect_vpn")
        world.phone("turn_airplane_mode_off")
        assert network(world) == BEST
        assert not world.device.vpn_connected

    def test_turning_data_on_does_not_search(self, world: Any) -> None:
        world.phone("turn_data_on")
        assert network(world) == ("connected", "5G", "good")


class TestMobileData:
    def test_data_abroad_needs_both_switches(self, world: Any) -> None:
        world.phone("set_user_location", abroad=True)
        assert world.user("run_speed_test") == "Speed test failed: No Connection."
        assert "📱 Data Enabled" in world.user("check_status_bar")
        world.user("toggle_roaming")
        assert world.holds("user", "assert_internet_speed", expected_speed=200, expected_desc="Excellent")
        world.agent("disable_roaming", customer_id="C2001", line_id="L2002")
        assert world.holds("user", "assert_mobile_data_status", expected_status=False)
        assert world.holds("user", "assert_service_status", expected_status="connected")

    @pytest.mark.parametrize(
        ("function", "word"),
        [
            ("turn_data_off", "No Connection"),
            ("turn_data_saver_mode_on", "Good"),
            ("break_vpn", "Fair"),
        ],
    )
    def test_slows_down_or_fails(self, world: Any, function: str, word: str) -> None:
        world.phone(function)
        assert f"{word}" in world.user("run_speed_test")
        assert world.holds("user", "assert_internet_not_excellent")
        assert world.holds("user", "assert_internet_speed", expected_speed=0, expected_desc=word.lower())

    def test_a_vpn_that_performs_well_costs_nothing(self, world: Any) -> None:
        world.user("connect_vpn")
        assert world.user("run_speed_test").startswith("Speed Test Result: 220.00 Mbps (Excellent). ")

    @pytest.mark.parametrize(
        ("technology", "row"),
        [
            ("2G", "0.05 0.01 0.01 0.0 | 0.12 0.03 0.01 0.0 | 0.2 0.04 0.02 0.0 | 0.25 0.05 0.03 0.01"),
            ("3G", "0.6 0.12 0.06 0.01 | 1.5 0.3 0.15 0.03 | 2.4 0.48 0.24 0.05 | 3.0 0.6 0.3 0.06"),
            ("4G", "11.0 2.2 1.1 0.22 | 27.5 5.5 2.75 0.55 | 44.0 8.8 4.4 0.88 | 55.0 11.0 5.5 1.1"),
            ("5G", "55.0 11.0 5.5 1.1 | 137.5 27.5 13.75 2.75 | 220.0 44.0 22.0 4.4 | 275.0 55.0 27.5 5.5"),
        ],
    )
    def test_speed_by_signal_data_saver_and_vpn(self, world: Any, technology: str, row: str) -> None:
        """Signal poor, fair, good, excellent; for each: plain, data saver, slow VPN, both."""
        device = world.environment.worlds["user"].write_field("device")
        device.network_technology_connected = technology
        world.user("connect_vpn")
        for signal, cells in zip(("poor", "fair", "good", "excellent"), row.split(" | "), strict=True):
            device.network_signal_strength = signal
            for cell, (performance, saver) in zip(cells.split(), CONDITIONS, strict=True):
                device.vpn_details.server_performance, device.data_saver_mode = performance, saver
                assert f" {float(cell):.2f} Mbps " in world.user("run_speed_test")


class TestPictureMessages:
    @pytest.mark.parametrize(
        ("breaks", "fixes"),
        [
            ([("turn_data_off", {})], [("toggle_data", {})]),
            ([("break_apn_mms_setting", {})], [("reset_apn_settings", {}), ("reboot_device", {})]),
            (
                [("set_wifi_calling", {"enabled": True, "mms_over_wifi": True})],
                [("toggle_wifi_calling", {})],
            ),
            (
                [("remove_app_permission", {"app_name": "messaging", "permission": "Storage"})],
                [("grant_app_permission", {"app_name": "messaging", "permission": "STORAGE"})],
            ),
            (
                [("set_network_mode_preference", {"mode": "2g_only"})],
                [("set_network_mode_preference", {"mode": "3g_only"})],
            ),
        ],
    )
    def test_mms_fails_until_the_cause_is_fixed(self, world: Any, breaks: Any, fixes: Any) -> None:
        works = world.user("can_send_mms")
        for name, arguments in breaks:
            world.phone(name, **arguments)
        assert world.holds("user", "assert_can_send_mms", expected_status=False)
        assert world.user("can_send_mms") != works
        for name, arguments in fixes:
            world.user(name, **arguments)
        assert world.holds("user", "assert_can_send_mms", expected_status=True)

    def test_wifi_calling_comes_back_broken(self, world: Any) -> None:
        world.phone("set_wifi_calling", enabled=True, mms_over_wifi=True)
        world.user("toggle_wifi_calling")
        world.user("toggle_wifi_calling")
        assert world.holds("user", "assert_can_send_mms", expected_status=False)
        world.phone("set_wifi_calling", enabled=True, mms_over_wifi=False)
        assert world.holds("user", "assert_can_send_mms", expected_status=True)

    def test_an_empty_url_is_shown_as_not_set_but_works(self, world: Any) -> None:
        world.user("set_apn_settings", apn_settings={"mmsc_url": ""})
        assert "MMSC URL (for picture messages): Not Set\n" in world.user("check_apn_settings")
        assert world.holds("user", "assert_can_send_mms", expected_status=True)


class TestSwitches:
    def test_airplane_mode_drops_wifi_and_vpn_for_good(self, world: Any) -> None:
        world.user("toggle_wifi")
        world.user("connect_vpn")
        assert world.user("toggle_airplane_mode") == f"Airplane Mode is now ON.\n{FLYING}"
        assert world.user("toggle_wifi").endswith(f"\n{FLYING}")
        assert world.user("connect_vpn").endswith("Status Bar: ✈️ Airplane Mode | 🔒 VPN Connected | 🔋 80%")
        world.user("disconnect_vpn")
        assert world.user("toggle_airplane_mode") == f"Airplane Mode is now OFF.\n{GOOD}"
        assert world.device.wifi_enabled
        assert not world.device.vpn_connected

    def test_wifi_never_connects(self, world: Any) -> None:
        assert world.user("check_wifi_status") == "Wi-Fi is turned OFF."
        assert world.user("toggle_wifi").startswith("Wi-Fi is now ON.\n")
        assert "ON" in world.user("check_wifi_status")
        assert not world.device.wifi_connected

    def test_the_status_bar_shows_the_data_saver(self, world: Any) -> None:
        text = world.user("toggle_data_saver_mode")
        bar = "Status Bar: 📶³ Good | 5G | 📱 Data Enabled | 🔽 Data Saver | 🔋 80%"
        assert text == f"Data Saver Mode is now ON.\n{bar}"
        assert "ON" in world.user("check_data_restriction_status")

    def test_the_network_screen(self, world: Any) -> None:
        world.phone("unseat_sim_card")
        assert world.user("check_network_status").split("\n") == [
            "Airplane Mode: OFF",
            "SIM Card Status: missing",
            "Cellular Connection: no_service",
            "Cellular Signal: none",
            "Cellular Network Type: none",
            "Mobile Data Enabled: Yes",
            "Data Roaming Enabled: No",
            "Wi-Fi Radio: OFF",
            "Wi-Fi Connected: No",
        ]

    def test_connecting_twice_is_reported_without_a_status_bar(self, world: Any) -> None:
        world.user("connect_vpn")
        assert world.user("connect_vpn") == "VPN already connected."
        assert "excellent" in world.user("check_vpn_status")


class TestVpnServer:
    def test_a_slow_vpn_affects_only_its_own_world(self, world: Any, own: Any) -> None:
        world.phone("break_vpn")
        world.user("disconnect_vpn")
        world.user("connect_vpn")
        assert "poor" in world.user("check_vpn_status")
        other = type(world)(own)
        other.user("connect_vpn")
        assert "excellent" in other.user("check_vpn_status")

    def test_a_slow_vpn_does_not_affect_the_hash(self, world: Any) -> None:
        before = world.hashes(), world.environment.digests()
        world.phone("break_vpn")
        world.user("disconnect_vpn")
        assert (world.hashes(), world.environment.digests()) == before


class TestApps:
    def test_show_their_permissions(self, world: Any) -> None:
        assert world.user("check_installed_apps").endswith(" messaging, browser")
        assert world.user("check_app_status", app_name="browser") == (
            "Status for App: browser\n - Permissions Granted:\n   - storage\n   - network"
        )
        for permission in ("storage", "network"):
            assert world.phone("remove_app_permission", app_name="browser", permission=permission)[0]
        assert world.user("check_app_status", app_name="browser").endswith(" - Permissions: None granted.")
        assert "'browser'" in world.user("check_app_permissions", app_name="browser")

    @pytest.mark.parametrize(("app", "permission"), [("Messaging", "sms"), ("messaging", "camera")])
    def test_unknown_apps_are_refused_with_a_message(self, world: Any, app: str, permission: str) -> None:
        before = world.hashes()
        text = world.user("grant_app_permission", app_name=app, permission=permission)
        assert text.startswith("Error. ")
        assert not world.phone("remove_app_permission", app_name=app, permission=permission)[0]
        assert world.hashes() == before
        assert "Maps" in world.user("check_app_status", app_name="Maps")
