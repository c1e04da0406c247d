"""A sequence of calls on the official airline data, with the hashes that the official implementation came to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tau2_core.episode.environment import Environment
from tau2_core.episode.setting import Setting
from tau2_core.model.messages import ToolCall
from tau2_core.model.tools import Failure, ToolResult

SettingOf = Callable[..., Setting]


def booking(*payments: tuple[str, int]) -> dict[str, Any]:
    return {
        "user_id": "mei_hernandez_8984",
        "origin": "PHL",
        "destination": "LGA",
        "flight_type": "one_way",
        "cabin": "economy",
        "flights": [{"flight_number": "HAT001", "date": "2024-05-20"}],
        "passengers": [{"first_name": "A", "last_name": "B", "dob": "2000-01-01"}],
        "payment_methods": [{"payment_id": name, "amount": amount} for name, amount in payments],
        "total_baggages": 0,
        "nonfree_baggages": 0,
        "insurance": "no",
    }


def bags(total: float, nonfree: float) -> dict[str, Any]:
    payment = {"payment_id": "gift_card_5309492"}
    return {"reservation_id": "HATHAT", "total_baggages": total, "nonfree_baggages": nonfree, **payment}


FLIGHTS = [{"flight_number": "HAT170", "date": "2024-05-22"}, {"flight_number": "HAT022", "date": "2024-05-26"}]
TWICE = (("certificate_3321326", 0), ("certificate_3321326", 0), ("credit_card_2140654", 137))
ONCE = (("certificate_7502997", 100), ("gift_card_5309492", 37))
OTHER = {"reservation_id": "4WQ150"}
CHANGE = {"cabin": "economy", "flights": FLIGHTS, "payment_id": "gift_card_3576581"}
# Vectors 4 to 13 of spec/airline.md: call, first half of the content's hash (None: it fails), that of the database's.
OFFICIAL: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("book_reservation", booking(*ONCE), "f26e975940d5ceea", "6adf87bae4117d14"),
    ("book_reservation", booking(*TWICE), None, "c92499bc958aa8f7"),
    ("update_reservation_baggages", bags(2, 1), "ae1530b391011510", "51e018e277582250"),
    ("update_reservation_baggages", bags(2.0, 1.01), None, "f8f892f1eb48d917"),
    ("update_reservation_flights", OTHER | CHANGE, "10acddfbe4f6a6b1", "10ea220187afeab6"),
    ("update_reservation_passengers", OTHER | {"passengers": "abc"}, "b62333df41f3260a", "e78a2e2b82e18426"),
    ("cancel_reservation", OTHER, "2cf154688004d166", "e915ee7157b950c5"),
    ("cancel_reservation", OTHER, "9c8bc2dcd885d9c6", "96b39e1b99c49948"),
    ("send_certificate", {"user_id": "mia_li_3668", "amount": 100.0}, "c647ae7d85833b0f", "dd973443b1b42690"),
    ("get_user_details", {"user_id": "mia_li_3668"}, "0157e8818867858f", "dd973443b1b42690"),
]


def call(environment: Environment, name: str, arguments: dict[str, Any]) -> ToolResult:
    return environment.call(ToolCall(name=name, arguments=arguments))


def test_the_official_half_applied_booking_is_reproduced_call_by_call(setting_of: SettingOf, shared: Path) -> None:
    environment = Environment(setting_of("airline", mode="tau2", dataset=shared / "tau2-bench"))
    for number, (name, arguments, content, state) in enumerate(OFFICIAL, 4):
        result = call(environment, name, arguments)
        ours = None if result.failure else hashlib.sha256(result.content.encode()).hexdigest()[:16]
        assert (number, ours) == (number, content), result.content
        assert (number, environment.official_hashes()["agent"][:16]) == (number, state)


def test_a_certificate_named_twice_is_not_taken_in_strict_mode(setting_of: SettingOf, shared: Path) -> None:
    environment = Environment(setting_of("airline", mode="strict", dataset=shared / "tau2-bench"))
    before = environment.official_hashes()
    assert call(environment, *OFFICIAL[1][:2]).failure is Failure.REFUSED
    assert environment.official_hashes() == before
