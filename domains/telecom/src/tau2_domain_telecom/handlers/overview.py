"""The phone at a glance: status bar, network status, speed test, picture messages, reboot."""

from collections.abc import Mapping

from tau2_domain_telecom.connectivity import mms_works
from tau2_domain_telecom.network import search_network
from tau2_domain_telecom.phone import ApnSettings, PhoneDB
from tau2_domain_telecom.speed import Description, measure
from tau2_domain_telecom.status_bar import status_bar, with_status_bar

_ADVICE: Mapping[Description, str] = {
    "Very Poor": "That is very slow: even simple web pages will hardly load.",
    "Poor": "That is slow: web pages load slowly, and streaming will stall.",
    "Fair": "That is enough for browsing and for some video in standard definition.",
    "Good": "That is enough for most things, including video in high definition.",
    "Excellent": "That is very fast.",
}


def check_status_bar(db: PhoneDB) -> str:
    """Show the status bar."""
    return status_bar(db)


def check_network_status(db: PhoneDB) -> str:
    """Show SIM, mobile network and Wi-Fi in detail."""
    device = db.device
    lines = [
        f"Airplane Mode: {_on(device.airplane_mode)}",
        f"SIM Card Status: {device.effective_sim()}",
        f"Cellular Connection: {device.network_connection_status}",
        f"Cellular Signal: {device.network_signal_strength}",
        f"Cellular Network Type: {device.network_technology_connected}",
        f"Mobile Data Enabled: {_yes(device.data_enabled)}",
        f"Data Roaming Enabled: {_yes(device.roaming_enabled)}",
        f"Wi-Fi Radio: {_on(device.wifi_enabled)}",
        f"Wi-Fi Connected: {_yes(device.wifi_connected)}",
    ]
    if device.wifi_connected:
        lines.append(f"Connected Wi-Fi Network: {device.wifi_ssid}")
    return "\n".join(lines)


def run_speed_test(db: PhoneDB) -> str:
    """Measure the speed of mobile data."""
    mbps, description = measure(db)
    if description == "No Connection":
        return "Speed test failed: No Connection."
    return f"Speed Test Result: {mbps:.2f} Mbps ({description}). {_ADVICE[description]}"


def can_send_mms(db: PhoneDB) -> str:
    """Return whether the messaging app can send a picture message."""
    if mms_works(db):
        return "Your messaging app can send MMS messages."
    return "Your messaging app cannot send MMS messages."


def reboot_device(db: PhoneDB) -> str:
    """Restart the phone: perform a pending APN reset, and search the network again."""
    device = db.device
    lines = []
    if device.apn().reset_at_reboot:
        device.active_apn_settings = ApnSettings()
        lines.append("Resetting APN settings...")
    lines.append("Restarting network services...")
    device.network_connection_status = "searching"
    search_network(db)
    return with_status_bar(db, "\n".join(lines))


def _on(value: bool) -> str:
    return "ON" if value else "OFF"


def _yes(value: bool) -> str:
    return "Yes" if value else "No"
