"""The icons at the top of the screen: the last line of most replies of the phone."""

from collections.abc import Mapping

from tau2_domain_telecom.phone import Handset, PhoneDB, Signal

_SIGNALS: Mapping[Signal, str] = {
    "none": "📵 No Signal",
    "poor": "📶¹ Poor",
    "fair": "📶² Fair",
    "good": "📶³ Good",
    "excellent": "📶⁴ Excellent",
}


def status_bar(db: PhoneDB) -> str:
    """Return the status bar as a line of text."""
    device = db.device
    segments = ["✈️ Airplane Mode"] if device.airplane_mode else _mobile(device)
    if device.wifi_enabled and device.wifi_connected:
        segments.append(f"📡 Connected to {device.wifi_ssid}" if device.wifi_ssid else "📡 Enabled")
    if device.vpn_connected:
        segments.append("🔒 VPN Connected")
    segments.append(f"🔋 {device.battery_level}%")
    return f"Status Bar: {' | '.join(segments)}"


def with_status_bar(db: PhoneDB, text: str) -> str:
    """Return a reply with the status bar below it."""
    return f"{text}\n{status_bar(db)}"


def _mobile(device: Handset) -> list[str]:
    segments = [_SIGNALS[device.network_signal_strength]]
    online = device.network_technology_connected != "none"
    if online:
        segments.append(device.network_technology_connected)
    if not (device.data_enabled and online):
        return [*segments, "📵 Data Disabled"]
    segments.append("📱 Data Enabled")
    if device.data_saver_mode:
        segments.append("🔽 Data Saver")
    return segments
