"""The network search: the only thing that recomputes status, technology and signal of the phone."""

from collections.abc import Mapping

from tau2_core import reading

from tau2_domain_telecom.phone import Handset, NetworkMode, PhoneDB, Signal, Technology

_ONLY: Mapping[NetworkMode, Technology] = {"4g_only": "4G", "3g_only": "3G", "2g_only": "2G"}


def search_network(db: PhoneDB) -> None:
    """Register with the best network that SIM, settings and line allow.

    The data switch, roaming, allowance, VPN and Wi-Fi do not matter here. Results are stored step by step, because
    unreadable APN settings make the search fail halfway, and the changes made until then remain.
    """
    device, surroundings = db.device, reading(db).surroundings
    if device.effective_sim() == "active":
        technology = _choose(device.network_mode_preference, surroundings.signal_strength)
        device.network_connection_status = "connected"
        device.network_technology_connected = technology
        device.network_signal_strength = surroundings.signal_strength.get(technology, "none")
    else:
        _lose_service(device)
    if device.airplane_mode:
        _lose_service(device)
    if device.apn().apn_name == "broken":
        _lose_service(device)
    if not surroundings.line_active:
        _lose_service(device)


def _choose(preference: NetworkMode, coverage: Mapping[Technology, Signal]) -> Technology:
    for mode, technology in _ONLY.items():
        if preference == mode:
            return technology
    if preference == "4g_5g_preferred" and coverage.get("5G", "none") != "none":
        return "5G"
    return "4G"


def _lose_service(device: Handset) -> None:
    device.network_connection_status = "no_service"
    device.network_technology_connected = "none"
    device.network_signal_strength = "none"
