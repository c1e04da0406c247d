"""Write the airline's database: flights, users and reservations, the same for the same seed.

Run from anywhere: ``python scripts/generate_db.py [--seed 20240515] [--out path]``.
"""

import argparse
import json
import string
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from airline_flights import DAYS, TODAY, Leg, Network, Row, day_text, flights, miles, price, price_share
from airline_lists import (
    AIRPORTS,
    BAG_FEE,
    CITIES,
    FIRST_NAMES,
    FREE_BAGS,
    INSURANCE_FEE,
    LAST_NAMES,
    PRICE_RANGE,
    RESERVED_IDS,
    STREET_KINDS,
    STREETS,
)

FIRST_BOOKING = datetime(2024, 4, 30)
LAST_BOOKING = datetime(2024, 5, 15, 14, 59)
USERS = 500
RESERVATIONS = 2000
DEFAULT_OUT = Path(__file__).parents[1] / "src" / "tau2_domain_airline" / "data" / "db.json"


def person(rng: Random, last_name: str | None = None, born: tuple[int, int] = (1945, 2014)) -> Row:
    birth = datetime(born[0], 1, 1) + timedelta(days=rng.randrange((born[1] - born[0] + 1) * 365))
    return {
        "first_name": rng.choice(FIRST_NAMES),
        "last_name": last_name or rng.choice(LAST_NAMES),
        "dob": birth.date().isoformat(),
    }


def companions(rng: Random, who: Row) -> list[Row]:
    others = [name for name in FIRST_NAMES if name != who["first_name"]]
    names = rng.sample(others, rng.choices(range(5), (20, 30, 25, 15, 10))[0])
    return [{**person(rng, who["last_name"] if rng.random() < 0.6 else None), "first_name": n} for n in names]


class Ids:
    """Create identifiers, each only once."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._taken = set(RESERVED_IDS)

    def number(self, prefix: str, digits: int) -> str:
        return self._new(lambda: f"{prefix}_{self._rng.randrange(10 ** (digits - 1), 10**digits)}")

    def letters(self) -> str:
        return self._new(lambda: "".join(self._rng.choices(string.ascii_uppercase + string.digits, k=6)))

    def _new(self, draw: Callable[[], str]) -> str:
        while (text := draw()) in self._taken or text.isalpha() or text.isdigit():
            pass
        self._taken.add(text)
        return text


def payment_methods(rng: Random, ids: Ids) -> dict[str, Row]:
    cards = rng.choices((0, 1, 2), (8, 62, 30))[0]
    gifts = max(rng.choices((0, 1, 2, 3), (35, 35, 20, 10))[0], 0 if cards else 1)
    kinds = ["credit_card"] * cards + ["gift_card"] * gifts + ["certificate"] * rng.choices((0, 1, 2), (50, 35, 15))[0]
    rng.shuffle(kinds)
    last_fours = rng.sample(range(1000, 10000), len(kinds))
    methods: dict[str, Row] = {}
    for kind, last_four in zip(kinds, last_fours, strict=True):
        row: Row = {"source": kind, "id": ids.number(kind, 7)}
        if kind == "credit_card":
            row |= {"brand": rng.choice(("visa", "mastercard")), "last_four": str(last_four)}
        else:
            worth = rng.randint(0, 300) if kind == "gift_card" else rng.choice((100, 150, 250, 500))
            row["amount"] = float(worth)
        methods[row["id"]] = row
    return methods


def users(rng: Random, ids: Ids) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for _ in range(USERS):
        who = person(rng, born=(1945, 2004))
        user_id = ids.number(f"{who['first_name']}_{who['last_name']}".lower(), 4)
        city, state, zone = rng.choice(CITIES)
        rows[user_id] = {
            "user_id": user_id,
            "name": {"first_name": who["first_name"], "last_name": who["last_name"]},
            "address": {
                "address1": f"{rng.randint(1, 999)} {rng.choice(STREETS)} {rng.choice(STREET_KINDS)}",
                "address2": f"Unit {rng.randint(1, 99)}" if rng.random() < 0.4 else None,
                "city": city,
                "country": "USA",
                "state": state,
                "zip": f"{zone}{rng.randint(0, 99):02}",
            },
            "email": f"{who['first_name']}.{who['last_name']}{rng.randint(10, 99)}@example.org".lower(),
            "dob": who["dob"],
            "payment_methods": payment_methods(rng, ids),
            "saved_passengers": companions(rng, who),
            "membership": rng.choices(("regular", "silver", "gold"), (50, 28, 22))[0],
            "reservations": [],
        }
    return rows


def legs(rng: Random, net: Network, round_trip: bool) -> tuple[list[Leg], str, str]:
    """Draw a trip that fits into the month; the legs' days are days of May."""
    weights = [0.4 if day < 10 else 1.3 if day <= TODAY else 1.0 for day in DAYS]
    while True:
        origin, destination = rng.sample(list(AIRPORTS), 2)
        start = rng.choices(DAYS, weights)[0]
        there = net.journey(rng, origin, destination)
        back = net.journey(rng, destination, origin) if round_trip else []
        if there is None or back is None or miles(origin, destination) < 180:
            continue
        trip = [(f, start + day) for f, day in there]
        turn = trip[-1][1] + rng.randint(1, 9)
        trip += [(f, turn + day) for f, day in back]
        if trip[-1][1] <= DAYS[-1]:
            return trip, origin, destination


def passengers(rng: Random, user: Row) -> list[Row]:
    me = {**user["name"], "dob": user["dob"]}
    company = [me] if rng.random() < 0.85 else []
    company += rng.sample(user["saved_passengers"], len(user["saved_passengers"]))
    count = rng.choices((1, 2, 3, 4), (42, 32, 16, 10))[0]
    while len(company) < count:
        stranger = person(rng)
        if all(stranger["first_name"] != known["first_name"] for known in company):
            company.append(stranger)
    return [dict(p) for p in company[:count]]


def payments(rng: Random, user: Row, total: int) -> list[Row]:
    """Pay by one card or one gift card, or partly by gift card."""
    methods = user["payment_methods"].values()
    cards, gifts = ([m["id"] for m in methods if m["source"] == s] for s in ("credit_card", "gift_card"))
    if not cards or (gifts and rng.random() < 0.15):
        return [{"payment_id": rng.choice(gifts), "amount": total}]
    card = rng.choice(cards)
    if gifts and rng.random() < 0.25:
        part = rng.randint(20, max(20, min(250, total - 10)))
        return [
            {"payment_id": rng.choice(gifts), "amount": part},
            {"payment_id": card, "amount": total - part},
        ]
    return [{"payment_id": card, "amount": total}]


def reservation(rng: Random, ids: Ids, net: Network, user: Row) -> Row:
    round_trip = rng.random() < 0.48
    cabin = rng.choices(tuple(PRICE_RANGE), (34, 38, 28))[0]
    trip, origin, destination = legs(rng, net, round_trip)
    party = passengers(rng, user)
    latest = min(LAST_BOOKING, datetime(2024, 5, trip[0][1]) - timedelta(minutes=1))
    created = FIRST_BOOKING + timedelta(seconds=rng.randint(0, int((latest - FIRST_BOOKING).total_seconds())))
    free = FREE_BAGS[cabin, user["membership"]] * len(party)
    bags = rng.choices((0, rng.randint(0, free), free + rng.randint(1, 2)), (35, 50, 15))[0]
    extra = max(0, bags - free)
    insured = rng.random() < 0.35
    booked = [segment(rng, f, day_text(day), cabin) for f, day in trip]
    total = sum(row["price"] for row in booked) * len(party) + BAG_FEE * extra + INSURANCE_FEE * len(party) * insured
    return {
        "reservation_id": ids.letters(),
        "user_id": user["user_id"],
        "origin": origin,
        "destination": destination,
        "flight_type": "round_trip" if round_trip else "one_way",
        "cabin": cabin,
        "flights": booked,
        "passengers": party,
        "payment_history": payments(rng, user, total),
        "created_at": created.isoformat(),
        "total_baggages": bags,
        "nonfree_baggages": extra,
        "insurance": "yes" if insured else "no",
        "status": None,
    }


def segment(rng: Random, row: Row, date: str, cabin: str) -> Row:
    """Book one flight at a price near today's."""
    now = row["dates"][date].get("prices", {}).get(cabin)
    low, high = PRICE_RANGE[cabin]
    if now is None:
        paid = price(rng, cabin, price_share(row["origin"], row["destination"]))
    else:
        paid = min(high, max(low, round(now * rng.uniform(0.88, 1.12))))
    names = {key: row[key] for key in ("flight_number", "origin", "destination")}
    return {**names, "date": date, "price": paid}


def database(seed: int) -> dict[str, dict[str, Row]]:
    """Build the three tables, each sorted by key."""
    rng = Random(seed)
    ids = Ids(rng)
    flight_table = flights(rng)
    user_table = users(rng, ids)
    net = Network(flight_table)
    customers = list(user_table.values())
    appetite = [rng.random() ** 1.3 for _ in customers]
    rows = [reservation(rng, ids, net, u) for u in rng.choices(customers, appetite, k=RESERVATIONS)]
    for row in sorted(rows, key=lambda r: str(r["created_at"])):
        user_table[row["user_id"]]["reservations"].append(row["reservation_id"])
    by_id = {row["reservation_id"]: row for row in rows}
    tables = {"flights": flight_table, "users": user_table, "reservations": by_id}
    return {name: dict(sorted(table.items())) for name, table in tables.items()}


def text(tables: dict[str, dict[str, Row]]) -> str:
    """Return JSON with one record per line, so that a diff or a parse error points to one record."""
    parts = []
    for name, table in tables.items():
        lines = (f"{json.dumps(key)}:{json.dumps(row, separators=(',', ':'))}" for key, row in table.items())
        parts.append(json.dumps(name) + ":{\n" + ",\n".join(lines) + "\n}")
    return "{" + ",\n".join(parts) + "}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20240515)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    arguments = parser.parse_args()
    arguments.out.write_text(text(database(arguments.seed)), encoding="ascii")


if __name__ == "__main__":
    main()
