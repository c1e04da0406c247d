"""Whether mobile data and picture messages work, given the state of the phone."""

from tau2_domain_telecom.phone import PhoneDB


def mobile_data_works(db: PhoneDB) -> bool:
    """Return whether mobile data works at all, however slowly."""
    device, surroundings = db.device, db.surroundings
    if device.airplane_mode or device.network_signal_strength == "none":
        return False
    if device.network_connection_status == "no_service":
        return False
    if surroundings.is_abroad and not (device.roaming_enabled and surroundings.roaming_allowed):
        return False
    return bool(device.data_enabled and not surroundings.mobile_data_usage_exceeded)


def mms_works(db: PhoneDB) -> bool:
    """Return whether the messaging app can send a picture message. Raises ToolError for unreadable APN settings."""
    device = db.device
    if not mobile_data_works(db) or device.network_technology_connected == "2G":
        return False
    if device.wifi_calling_enabled and device.wifi_calling_mms_over_wifi:
        return False
    if device.apn().mmsc_url is None:
        return False
    app = device.app_statuses.get("messaging")
    return app is not None and app.permissions.storage and app.permissions.sms
