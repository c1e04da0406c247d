"""Switches of the mobile radio: airplane mode, data, roaming, data saver, network mode."""

from typing import get_args

from tau2_core import ToolError

from tau2_domain_telecom.network import search_network
from tau2_domain_telecom.phone import NetworkMode, PhoneDB
from tau2_domain_telecom.status_bar import with_status_bar

_MODES: tuple[NetworkMode, ...] = get_args(NetworkMode)


def toggle_airplane_mode(db: PhoneDB) -> str:
    """Flip airplane mode. Switching it on drops Wi-Fi and VPN, which are not restored later."""
    device = db.device
    device.airplane_mode = not device.airplane_mode
    if device.airplane_mode:
        device.leave_wifi()
        if device.vpn_connected:
            device.leave_vpn()
    else:
        device.network_connection_status = "searching"
        if device.wifi_enabled:
            device.leave_wifi()
    search_network(db)
    return _switched(db, "Airplane Mode", device.airplane_mode)


def toggle_data(db: PhoneDB) -> str:
    """Flip the switch for mobile data."""
    device = db.device
    device.data_enabled = not device.data_enabled
    search_network(db)
    return _switched(db, "Mobile Data", device.data_enabled)


def toggle_roaming(db: PhoneDB) -> str:
    """Flip the phone's own switch for data roaming."""
    device = db.device
    device.roaming_enabled = not device.roaming_enabled
    search_network(db)
    return _switched(db, "Data Roaming", device.roaming_enabled)


def check_data_restriction_status(db: PhoneDB) -> str:
    """Return whether the data saver is on."""
    if db.device.data_saver_mode:
        return "Data Saver mode is ON; it limits the data that apps may use."
    return "Data Saver mode is OFF."


def toggle_data_saver_mode(db: PhoneDB) -> str:
    """Flip the data saver."""
    device = db.device
    device.data_saver_mode = not device.data_saver_mode
    return _switched(db, "Data Saver Mode", device.data_saver_mode)


def check_network_mode_preference(db: PhoneDB) -> str:
    """Show the preferred network mode."""
    mode = db.device.network_mode_preference
    if not isinstance(mode, str):
        raise ToolError(f"the phone cannot read its network mode: {mode!r}")
    return f"Network Mode Preference: {mode}"


def set_network_mode_preference(db: PhoneDB, mode: str) -> str:
    """Choose the networks that the phone may use; the result for an unknown mode is a refusal."""
    refusal = f"There is no network mode '{mode}'; choose one of {', '.join(_MODES)}."
    if isinstance(mode, str) and mode not in _MODES:
        return with_status_bar(db, refusal)
    # Parity: a value that is not text, such as null, is stored anyway, and the network searched with it.
    db.device.network_mode_preference = mode
    search_network(db)
    if mode is None:
        return with_status_bar(db, refusal)
    if not isinstance(mode, str):
        raise ToolError(refusal)
    return with_status_bar(db, f"Preferred Network Mode set to: {mode}")


def _switched(db: PhoneDB, what: str, on: bool) -> str:
    return with_status_bar(db, f"{what} is now {'ON' if on else 'OFF'}.")
