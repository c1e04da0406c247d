"""The phone's APN settings."""

from typing import Any

from tau2_core import ToolError

from tau2_domain_telecom.network import search_network
from tau2_domain_telecom.phone import ApnSettings, PhoneDB
from tau2_domain_telecom.status_bar import with_status_bar


def check_apn_settings(db: PhoneDB) -> str:
    """Show the APN and the address for picture messages."""
    apn = db.device.apn()
    lines = [
        f"Current APN Name: {apn.apn_name}",
        f"MMSC URL (for picture messages): {apn.mmsc_url or 'Not Set'}",
        "(These settings are technical; change them only if you are told to.)",
    ]
    return "\n".join(lines)


def set_apn_settings(db: PhoneDB, apn_settings: dict[str, Any]) -> str:
    """Replace all APN settings; omitted ones get their defaults."""
    if not isinstance(apn_settings, dict):
        # Parity: stored anyway, after which most of the phone fails until proper settings are stored.
        db.device.active_apn_settings = apn_settings
        raise ToolError(f"APN settings must be an object, not {apn_settings!r}")
    apn = ApnSettings.model_validate(apn_settings)
    db.device.active_apn_settings = apn
    search_network(db)
    return with_status_bar(db, f"APN settings set to: {apn.apn_name}")


def reset_apn_settings(db: PhoneDB) -> str:
    """Mark the APN settings for a reset, which the next reboot performs."""
    db.device.apn().reset_at_reboot = True
    search_network(db)
    return with_status_bar(db, "APN settings will reset at reboot.")
