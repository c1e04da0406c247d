"""Assertions about the phone."""

from typing import get_args

from tau2_core import ToolError

from tau2_domain_telecom.connectivity import mms_works, mobile_data_works
from tau2_domain_telecom.phone import NetworkStatus, PhoneDB
from tau2_domain_telecom.speed import measure


def assert_airplane_mode_status(db: PhoneDB, expected_status: bool) -> bool:
    """Return whether airplane mode is on (or off) as expected."""
    return db.device.airplane_mode == expected_status


def assert_service_status(db: PhoneDB, expected_status: str) -> bool:
    """Return whether the network has the expected status. Raises ToolError for a status that does not exist."""
    if expected_status not in get_args(NetworkStatus):
        raise ToolError(f"there is no network status {expected_status!r}")
    return db.device.network_connection_status == expected_status


def assert_mobile_data_status(db: PhoneDB, expected_status: bool) -> bool:
    """Return whether mobile data works (or not) as expected."""
    return mobile_data_works(db) == expected_status


def assert_mobile_roaming_status(db: PhoneDB, expected_status: bool) -> bool:
    """Return whether the phone's own roaming switch is on (or off) as expected."""
    return db.device.roaming_enabled == expected_status


def assert_mobile_data_saver_mode_status(db: PhoneDB, expected_status: bool) -> bool:
    """Return whether the data saver is on (or off) as expected."""
    return db.device.data_saver_mode == expected_status


def assert_internet_speed(db: PhoneDB, expected_speed: float, expected_desc: str | None = None) -> bool:
    """Return whether mobile data has at least a speed, in Mbps, and the description, if one is given."""
    mbps, description = measure(db)
    return mbps >= expected_speed and (expected_desc is None or description.lower() == expected_desc.lower())


def assert_internet_not_excellent(db: PhoneDB) -> bool:
    """Return whether mobile data is anything but excellent."""
    return measure(db).description != "Excellent"


def assert_can_send_mms(db: PhoneDB, expected_status: bool) -> bool:
    """Return whether picture messages can be sent (or not) as expected."""
    return mms_works(db) == expected_status


def assert_mobile_data_usage_exceeded(db: PhoneDB, expected_status: bool) -> bool:
    """Return whether the phone counts as over its allowance (or not) as expected."""
    return db.surroundings.mobile_data_usage_exceeded == expected_status
