"""The customer's phone and its surroundings; by default everything works."""

from typing import Literal

from pydantic import Field
from tau2_core import Database, ToolError

from tau2_domain_telecom.records import StrictRecord

SimStatus = Literal["active", "missing", "locked_pin", "locked_puk"]
Signal = Literal["none", "poor", "fair", "good", "excellent"]
Technology = Literal["none", "2G", "3G", "4G", "5G"]
NetworkStatus = Literal["connected", "searching", "no_service", "emergency_only"]
NetworkMode = Literal["4g_5g_preferred", "4g_only", "3g_only", "2g_only"]
Performance = Literal["unknown", "poor", "fair", "good", "excellent"]


class ApnSettings(StrictRecord):
    """The settings for the carrier's data network and for picture messages."""

    apn_name: Literal["internet", "broken"] = "internet"
    reset_at_reboot: bool = False
    mms_apn: str | None = "mms"
    mmsc_url: str | None = "http://mms.carrier.com/mms/wapenc"
    mms_proxy: str | None = None
    mms_port: int | None = None


class VpnDetails(StrictRecord):
    """The server of a VPN."""

    server_address: str | None = None
    protocol: str | None = None
    server_performance: Performance = "unknown"


class AppPermissions(StrictRecord):
    """The permissions of an app."""

    sms: bool = False
    storage: bool = False
    phone: bool = False
    network: bool = False


class AppStatus(StrictRecord):
    """An installed app."""

    app_name: str
    permissions: AppPermissions = Field(default_factory=AppPermissions)


def _installed_apps() -> dict[str, AppStatus]:
    messaging = AppPermissions(sms=True, storage=True, phone=True)
    browser = AppPermissions(storage=True, network=True)
    return {
        "messaging": AppStatus(app_name="messaging", permissions=messaging),
        "browser": AppStatus(app_name="browser", permissions=browser),
    }


class Handset(StrictRecord):
    """The phone: SIM, radio, settings and apps."""

    sim_card_status: SimStatus = "active"
    sim_card_missing: bool = False
    airplane_mode: bool = False
    network_signal_strength: Signal = "good"
    network_technology_connected: Technology = "5G"
    network_connection_status: NetworkStatus = "connected"
    battery_level: int = 80
    data_enabled: bool = True
    roaming_enabled: bool = False
    network_mode_preference: NetworkMode = "4g_5g_preferred"
    active_apn_settings: ApnSettings = Field(default_factory=ApnSettings)
    wifi_enabled: bool = False
    wifi_connected: bool = False
    wifi_ssid: str | None = None
    wifi_signal_strength: Signal = "none"
    wifi_calling_enabled: bool = False
    wifi_calling_mms_over_wifi: bool = False
    data_saver_mode: bool = False
    vpn_enabled_setting: bool = False
    vpn_connected: bool = False
    vpn_details: VpnDetails | None = None
    app_statuses: dict[str, AppStatus] = Field(default_factory=_installed_apps)
    # In tau2-bench the default VPN server is an object outside the database that `break_vpn` changes permanently. Here
    # it is a field of this world's phone, left out of results and hashes.
    vpn_server_spoiled: bool = Field(default=False, exclude=True)

    def effective_sim(self) -> SimStatus:
        """Return the effective state of the SIM card: one out of its tray is missing, even if it is locked."""
        return "missing" if self.sim_card_missing else self.sim_card_status

    def apn(self) -> ApnSettings:
        """Return the APN settings. Raises ToolError if a tool has stored something else instead."""
        if not isinstance(self.active_apn_settings, ApnSettings):
            raise ToolError(f"the phone cannot read its APN settings: {self.active_apn_settings!r}")
        return self.active_apn_settings

    def leave_wifi(self) -> None:
        """Drop the Wi-Fi connection; the radio stays as it is."""
        self.wifi_connected = False
        self.wifi_ssid = None
        self.wifi_signal_strength = "none"

    def leave_vpn(self) -> None:
        """Drop the VPN connection."""
        self.vpn_connected = False
        self.vpn_details = None


def _coverage() -> dict[Technology, Signal]:
    return {"2G": "poor", "3G": "fair", "4G": "good", "5G": "excellent"}


class PaymentRequest(StrictRecord):
    """A bill that the carrier asks the customer to pay."""

    bill_id: str
    amount_due: float
    paid: bool = False


class Surroundings(StrictRecord):
    """The owner and location of the phone, and the state of the carrier's side, which every sync updates."""

    name: str | None = None
    phone_number: str | None = None
    is_abroad: bool = False
    roaming_allowed: bool = False
    signal_strength: dict[Technology, Signal] = Field(default_factory=_coverage)
    mobile_data_usage_exceeded: bool = False
    line_active: bool = True
    payment_request: PaymentRequest | None = None


class PhoneDB(Database):
    """The customer's side."""

    device: Handset = Field(default_factory=Handset)
    surroundings: Surroundings = Field(default_factory=Surroundings)
