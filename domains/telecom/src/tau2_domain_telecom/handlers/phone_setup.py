"""Setting up the phone at the start of tasks.

Switches are set by flipping them, once or twice: the side effects of a flip, such as searching the network or dropping
the VPN, happen even if the switch was already set, and results depend on them.
"""

from collections.abc import Callable, Mapping

from tau2_core import ToolError

from tau2_domain_telecom.handlers.radio import (
    toggle_airplane_mode,
    toggle_data,
    toggle_data_saver_mode,
    toggle_roaming,
)
from tau2_domain_telecom.handlers.vpn import connect_vpn
from tau2_domain_telecom.network import search_network
from tau2_domain_telecom.phone import PhoneDB, SimStatus

_LOCKS: Mapping[str, SimStatus] = {"pin": "locked_pin", "puk": "locked_puk"}


def set_user_info(db: PhoneDB, name: str, phone_number: str) -> str:
    """Set the owner of the phone, which connects it to the carrier's side."""
    db.surroundings.name = name
    db.surroundings.phone_number = phone_number
    return f"The phone is {name}'s, number {phone_number}."


def set_user_location(db: PhoneDB, abroad: bool) -> str:
    """Set whether the phone is abroad."""
    db.surroundings.is_abroad = abroad
    return f"The phone is {'abroad' if abroad else 'at home'}."


def simulate_network_search(db: PhoneDB) -> str:
    """Search the network."""
    search_network(db)
    return f"The network status is {db.device.network_connection_status}."


def turn_airplane_mode_on(db: PhoneDB) -> str:
    """Switch airplane mode on."""
    return _switch(db, toggle_airplane_mode, "airplane_mode", on=True)


def turn_airplane_mode_off(db: PhoneDB) -> str:
    """Switch airplane mode off."""
    return _switch(db, toggle_airplane_mode, "airplane_mode", on=False)


def turn_data_on(db: PhoneDB) -> str:
    """Switch mobile data on, without searching the network."""
    db.device.data_enabled = True
    return "Mobile data is on."


def turn_data_off(db: PhoneDB) -> str:
    """Switch mobile data off."""
    return _switch(db, toggle_data, "data_enabled", on=False)


def turn_roaming_on(db: PhoneDB) -> str:
    """Switch the phone's data roaming on."""
    return _switch(db, toggle_roaming, "roaming_enabled", on=True)


def turn_roaming_off(db: PhoneDB) -> str:
    """Switch the phone's data roaming off."""
    return _switch(db, toggle_roaming, "roaming_enabled", on=False)


def turn_data_saver_mode_on(db: PhoneDB) -> str:
    """Switch the data saver on."""
    return _switch(db, toggle_data_saver_mode, "data_saver_mode", on=True)


def turn_data_saver_mode_off(db: PhoneDB) -> str:
    """Switch the data saver off."""
    return _switch(db, toggle_data_saver_mode, "data_saver_mode", on=False)


def unseat_sim_card(db: PhoneDB) -> str:
    """Take the SIM card out of its seat."""
    db.device.sim_card_missing = True
    search_network(db)
    return "The SIM card is out of its seat."


def lock_sim_card(db: PhoneDB, mode: str) -> str:
    """Lock the SIM card with a PIN or a PUK; any other mode only searches the network."""
    for known, status in _LOCKS.items():
        if mode == known:
            db.device.sim_card_status = status
    search_network(db)
    return f"The SIM card is {db.device.sim_card_status}."


def break_apn_settings(db: PhoneDB) -> str:
    """Set a wrong name for the APN."""
    db.device.apn().apn_name = "broken"
    search_network(db)
    return "The APN is broken."


def break_apn_mms_setting(db: PhoneDB) -> str:
    """Remove the address for picture messages."""
    db.device.apn().mmsc_url = None
    return "The MMSC URL is gone."


def set_wifi_calling(db: PhoneDB, enabled: bool, mms_over_wifi: bool | None = None) -> str:
    """Set Wi-Fi Calling and, if given, whether picture messages use it."""
    db.device.wifi_calling_enabled = enabled
    if mms_over_wifi is not None:
        db.device.wifi_calling_mms_over_wifi = mms_over_wifi
    return f"Wi-Fi Calling is {'on' if enabled else 'off'}."


def break_vpn(db: PhoneDB) -> str:
    """Connect the VPN if it is not connected, and make its server slow permanently."""
    connect_vpn(db)
    device = db.device
    if device.vpn_details is None:
        raise ToolError("the VPN is connected, but the details of its server are missing")
    device.vpn_details.server_performance = "poor"
    device.vpn_server_spoiled = True
    return "The VPN server is slow."


def _switch(db: PhoneDB, toggle: Callable[[PhoneDB], str], field: str, *, on: bool) -> str:
    text = toggle(db)
    return text if getattr(db.device, field) is on else toggle(db)
