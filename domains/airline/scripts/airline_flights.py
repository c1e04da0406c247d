"""The airline's flights and the journeys that they allow."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from random import Random
from typing import Any, TypeAlias

from airline_lists import AIRPORTS, PRICE_RANGE

Row: TypeAlias = dict[str, Any]
Leg: TypeAlias = tuple[Row, int]  # a flight and its day, counted from the journey's first day

NOW = datetime(2024, 5, 15, 15)
TODAY = NOW.day
DAYS = range(1, 31)
ROUTES = 75
DAILY_FLIGHTS = [1] * 40 + [2] * 70 + [3] * 40  # one entry per direction of a route: 300 flights


def day_text(day: int) -> str:
    return f"2024-05-{day:02}"


def miles(a: str, b: str) -> float:
    """Great-circle distance between two airports."""
    (lat1, lon1), (lat2, lon2) = ([radians(x) for x in AIRPORTS[code]] for code in (a, b))
    h = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 3959 * asin(sqrt(h))


def minutes(clock: str) -> int:
    """Minutes since the midnight of the departure day, of "HH:MM:SS" with or without "+1"."""
    return int(clock[:2]) * 60 + int(clock[3:5]) + (1440 if clock.endswith("+1") else 0)


def clock(minute: int) -> str:
    return f"{minute // 60 % 24:02}:{minute % 60:02}:00" + ("+1" if minute >= 1440 else "")


def routes(rng: Random) -> list[tuple[str, str]]:
    """Choose the city pairs with a nonstop connection, about five or more for each airport."""
    codes = list(AIRPORTS)
    pairs = [(a, b) for i, a in enumerate(codes) for b in codes[i + 1 :] if miles(a, b) > 180]
    rng.shuffle(pairs)
    degree = dict.fromkeys(codes, 0)
    chosen: list[tuple[str, str]] = []
    for least in (5, len(codes)):  # first serve the airports with few connections, then all
        for a, b in pairs:
            if len(chosen) < ROUTES and (a, b) not in chosen and min(degree[a], degree[b]) < least:
                chosen.append((a, b))
                degree[a] += 1
                degree[b] += 1
    return chosen


def flights(rng: Random) -> dict[str, Row]:
    ways = [way for a, b in routes(rng) for way in ((a, b), (b, a))]
    daily = rng.sample(DAILY_FLIGHTS, len(DAILY_FLIGHTS))
    plan: list[tuple[str, str, int]] = []
    for (a, b), count in zip(ways, daily, strict=True):
        width = (1400 - 360) // count
        plan += [(a, b, 360 + width * i + rng.randrange(0, width, 5)) for i in range(count)]
    rng.shuffle(plan)
    return {f"TG{n}": flight(rng, f"TG{n}", *entry) for n, entry in enumerate(plan, 101)}


def flight(rng: Random, number: str, origin: str, destination: str, departs: int) -> Row:
    lasts = round((40 + miles(origin, destination) / 7.5) / 5) * 5
    share = price_share(origin, destination)
    return {
        "flight_number": number,
        "origin": origin,
        "destination": destination,
        "scheduled_departure_time_est": clock(departs),
        "scheduled_arrival_time_est": clock(departs + lasts),
        "dates": {day_text(day): flight_date(rng, day, departs, lasts, share) for day in DAYS},
    }


def flight_date(rng: Random, day: int, departs: int, lasts: int, share: float) -> Row:
    """Describe one day of a flight as it is known at NOW."""
    if day > TODAY:
        return {
            "status": "available",
            "available_seats": {cabin: max(0, rng.randint(-2, 20)) for cabin in PRICE_RANGE},
            "prices": {cabin: price(rng, cabin, share) for cabin in PRICE_RANGE},
        }
    scheduled = datetime(2024, 5, day) + timedelta(minutes=departs)
    if day < TODAY and rng.random() < (0.2 if TODAY - day <= 2 else 0.07):  # storms in the last two days
        return {"status": "cancelled"}
    if day == TODAY - 1 and departs > 19 * 60 and rng.random() < 0.12:  # held overnight
        leaves = NOW + timedelta(minutes=rng.randrange(60, 400, 5))
        return moved("delayed", ("estimated", "estimated"), leaves, lasts)
    hours_late = day == TODAY and rng.random() < 0.28
    leaves = scheduled + timedelta(minutes=rng.randrange(60, 240, 5) if hours_late else rng.randint(-4, 25))
    if leaves >= NOW and hours_late:
        return moved("delayed", ("estimated", "estimated"), leaves, lasts)
    if leaves >= NOW:
        return moved("on time", ("estimated", "estimated"), max(scheduled, leaves), lasts)
    lasts += rng.randint(-8, 8)
    if leaves + timedelta(minutes=lasts) < NOW:
        return moved("landed", ("actual", "actual"), leaves, lasts)
    return moved("flying", ("actual", "estimated"), leaves, lasts)


def moved(status: str, kinds: tuple[str, str], leaves: datetime, lasts: int) -> Row:
    return {
        "status": status,
        f"{kinds[0]}_departure_time_est": leaves.isoformat(),
        f"{kinds[1]}_arrival_time_est": (leaves + timedelta(minutes=lasts)).isoformat(),
    }


def price_share(origin: str, destination: str) -> float:
    """Return where in a cabin's price range a flight of this distance lies, from 0 to 1."""
    return 0.15 + 0.6 * min(miles(origin, destination) / 2600, 1)


def price(rng: Random, cabin: str, share: float) -> int:
    low, high = PRICE_RANGE[cabin]
    return round(min(high, max(low, low + (high - low) * (share + rng.uniform(-0.2, 0.25)))))


class Network:
    """The journeys that the flights allow, as the search tools would find them."""

    def __init__(self, table: dict[str, Row]) -> None:
        self._from: dict[str, list[Row]] = {code: [] for code in AIRPORTS}
        for row in table.values():
            self._from[row["origin"]].append(row)

    def journey(self, rng: Random, origin: str, destination: str) -> list[Leg] | None:
        """Pick a nonstop, or a connection of 40 minutes to 8 hours, or nothing if there is none."""
        nonstop: list[list[Leg]] = [[(f, 0)] for f in self._from[origin] if f["destination"] == destination]
        if nonstop and rng.random() < 0.75:
            return rng.choice(nonstop)
        found = list(self._onestops(origin, destination)) or nonstop
        return rng.choice(found) if found else None

    def _onestops(self, origin: str, destination: str) -> Iterator[list[Leg]]:
        for first in self._from[origin]:
            via = first["destination"]
            if miles(origin, via) + miles(via, destination) > 1.6 * miles(origin, destination) + 200:
                continue
            day, lands = divmod(minutes(first["scheduled_arrival_time_est"]), 1440)
            for second in self._from[via]:
                wait = minutes(second["scheduled_departure_time_est"]) - lands
                if second["destination"] == destination and 40 <= wait <= 480:
                    yield [(first, 0), (second, day)]
