"""The VPN."""

from tau2_domain_telecom.phone import Performance, PhoneDB, VpnDetails
from tau2_domain_telecom.status_bar import with_status_bar


def check_vpn_status(db: PhoneDB) -> str:
    """Show whether a VPN is connected, and how its server performs."""
    device = db.device
    details = device.vpn_details
    if device.vpn_connected and details is not None:
        return (
            "VPN is ON and connected.\n"
            f"Details: server {details.server_address}, protocol {details.protocol}, "
            f"server performance {details.server_performance}"
        )
    if device.vpn_connected:
        return "VPN is ON and connected, but the details of its server are missing."
    if device.vpn_enabled_setting:
        return "VPN is turned ON in the settings, but not connected."
    return "VPN is turned OFF."


def connect_vpn(db: PhoneDB) -> str:
    """Connect to the phone's VPN server, in airplane mode too."""
    device = db.device
    if device.vpn_connected:
        return "VPN already connected."
    device.vpn_connected = True
    performance: Performance = "poor" if device.vpn_server_spoiled else "excellent"
    device.vpn_details = VpnDetails(server_address="192.168.1.1", protocol="OpenVPN", server_performance=performance)
    return with_status_bar(db, "VPN connected successfully.")


def disconnect_vpn(db: PhoneDB) -> str:
    """Disconnect the VPN."""
    device = db.device
    if not device.vpn_connected:
        return with_status_bar(db, "No VPN is connected.")
    device.leave_vpn()
    return with_status_bar(db, "VPN disconnected successfully.")
