"""Wi-Fi and Wi-Fi Calling. There is no network to join, so Wi-Fi never connects."""

from tau2_domain_telecom.phone import PhoneDB
from tau2_domain_telecom.status_bar import with_status_bar


def check_wifi_status(db: PhoneDB) -> str:
    """Show whether Wi-Fi is on and connected."""
    device = db.device
    if not device.wifi_enabled:
        return "Wi-Fi is turned OFF."
    if device.wifi_connected:
        return f"Wi-Fi is ON and connected to '{device.wifi_ssid}', signal {device.wifi_signal_strength}."
    return "Wi-Fi is ON, but not connected to any network."


def toggle_wifi(db: PhoneDB) -> str:
    """Flip Wi-Fi; airplane mode forbids it."""
    device = db.device
    if device.airplane_mode:
        return with_status_bar(db, "Wi-Fi cannot be switched while airplane mode is on.")
    device.wifi_enabled = not device.wifi_enabled
    if not device.wifi_enabled:
        device.leave_wifi()
    return with_status_bar(db, f"Wi-Fi is now {'ON' if device.wifi_enabled else 'OFF'}.")


def check_wifi_calling_status(db: PhoneDB) -> str:
    """Show whether Wi-Fi Calling is on."""
    return f"Wi-Fi Calling is turned {'ON' if db.device.wifi_calling_enabled else 'OFF'}."


def toggle_wifi_calling(db: PhoneDB) -> str:
    """Flip Wi-Fi Calling; whether picture messages use it is a setting without a tool."""
    device = db.device
    device.wifi_calling_enabled = not device.wifi_calling_enabled
    return with_status_bar(db, f"Wi-Fi Calling is now {'ON' if device.wifi_calling_enabled else 'OFF'}.")
