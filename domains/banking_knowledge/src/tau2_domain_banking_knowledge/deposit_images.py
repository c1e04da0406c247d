"""The images of deposits at the bank's machines, as text, for the few deposits that have any."""

from collections.abc import Mapping

_CASH = (
    "cash 2 x 100 = 200.00 and 3 x 20 = 60.00, together 260.00; 1,135.00 in all. The machine recorded 385.00: 750.00 "
    "too little, confirmed."
)

IMAGES: Mapping[str, str] = {
    "btxn_834027370c20": (
        "ATM 3921, Austin branch: personal check 7284 of First Texas Bank over 875.00, dated 11/03/2025, to Derek "
        f"Yamamoto; {_CASH}"
    ),
    "btxn_test_deposit_001": (
        f"ATM 3921, Portland: check 4821 of First National Bank over 875.00, to Linda Patterson; {_CASH}"
    ),
    "btxn_test_atm_dep_partial": (
        "ATM 5847: check 7392 over 500.00; no cash. The machine recorded 500.00; the difference is 0.00."
    ),
}
