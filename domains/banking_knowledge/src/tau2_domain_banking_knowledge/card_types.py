"""The credit cards that the bank offers, and what they earn."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rewards:
    """Points for each dollar, for most purchases and by category."""

    usual: float
    by_category: Mapping[str, float] = field(default_factory=dict)

    def rate(self, category: object) -> float:
        """Return the points for each dollar in a category."""
        return self.by_category.get(category, self.usual) if isinstance(category, str) else self.usual


CARDS: Mapping[str, Rewards] = {
    "Bronze Rewards Card": Rewards(1.0),
    "Business Bronze Rewards Card": Rewards(1.0),
    "Business Gold Rewards Card": Rewards(1.0, {"Operations": 2.5}),
    "Business Platinum Rewards Card": Rewards(1.5, {"Travel": 4.0, "Software": 4.0, "Media": 4.0}),
    "Business Silver Rewards Card": Rewards(1.0, {"Travel": 10.0, "Software": 10.0}),
    "Crypto-Cash Back": Rewards(2.0),
    "Diamond Elite Card": Rewards(5.0),
    "EcoCard": Rewards(1.0, {"Green": 5.0}),
    "Gold Rewards Card": Rewards(2.5),
    "Green Rewards Card": Rewards(1.0, {"Sustainable": 3.0}),
    "Platinum Rewards Card": Rewards(10.0),
    "Silver Rewards Card": Rewards(1.0, {"Travel": 4.0, "Software": 4.0}),
    "Silver Zoom Card": Rewards(1.0, {"Transportation": 3.0}),
}
