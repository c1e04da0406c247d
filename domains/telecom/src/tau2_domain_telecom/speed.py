"""The speed that a test measures over the mobile network."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tau2_domain_telecom.connectivity import mobile_data_works
from tau2_domain_telecom.phone import PhoneDB, Signal, Technology

Description = Literal["No Connection", "Very Poor", "Poor", "Fair", "Good", "Excellent"]

_RANGES: Mapping[Technology, tuple[float, float]] = {
    "none": (0, 0),
    "2G": (0.1, 0.4),
    "3G": (1, 5),
    "4G": (10, 100),
    "5G": (50, 500),
}
_FACTORS: Mapping[Signal, float] = {"none": 0.0, "poor": 0.2, "fair": 0.5, "good": 0.8, "excellent": 1.0}
_SLOW_VPN = 0.1
_DATA_SAVER = 0.2
_BELOW: tuple[tuple[float, Description], ...] = ((1, "Very Poor"), (5, "Poor"), (25, "Fair"), (100, "Good"))


class Speed(NamedTuple):
    """A measured speed, in Mbps (0 without a connection), and its description."""

    mbps: float
    description: Description


def measure(db: PhoneDB) -> Speed:
    """Return the speed of mobile data."""
    if not mobile_data_works(db):
        return Speed(0.0, "No Connection")
    device = db.device
    vpn = device.vpn_details if device.vpn_connected else None
    base = (_SLOW_VPN if vpn is not None and vpn.server_performance == "poor" else 1.0) * (
        _DATA_SAVER if device.data_saver_mode else 1
    )
    low, high = _RANGES[device.network_technology_connected]
    mbps = round((low + high) / 2 * _FACTORS[device.network_signal_strength] * base, 2)
    return Speed(mbps, next((word for limit, word in _BELOW if mbps < limit), "Excellent"))
