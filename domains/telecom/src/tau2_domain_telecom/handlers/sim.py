"""The SIM card."""

from collections.abc import Mapping

from tau2_core import ToolError

from tau2_domain_telecom.network import search_network
from tau2_domain_telecom.phone import PhoneDB, SimStatus
from tau2_domain_telecom.status_bar import with_status_bar

_SENTENCES: Mapping[SimStatus, str] = {
    "active": "Your SIM card is active and working.",
    "missing": "No SIM card is detected in the phone.",
    "locked_pin": "Your SIM card is locked with a PIN code.",
    "locked_puk": "Your SIM card is locked with a PUK code.",
}


def check_sim_status(db: PhoneDB) -> str:
    """Show the state of the SIM card."""
    return _SENTENCES[db.device.effective_sim()]


def reseat_sim_card(db: PhoneDB) -> str:
    """Take the SIM card out and put it back; this does not unlock it."""
    device = db.device
    device.sim_card_missing = False
    search_network(db)
    if device.effective_sim() == "missing":
        raise ToolError("the phone still detects no SIM card")
    return with_status_bar(db, "SIM card re-seated successfully.")
