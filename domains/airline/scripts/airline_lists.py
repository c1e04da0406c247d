"""The word lists and constants that generate_db.py draws from."""

# IATA code -> (latitude, longitude), to derive realistic durations and prices.
AIRPORTS: dict[str, tuple[float, float]] = {
    "SFO": (37.62, -122.38), "JFK": (40.64, -73.78), "LAX": (33.94, -118.41), "ORD": (41.98, -87.90),
    "DFW": (32.90, -97.04), "DEN": (39.86, -104.67), "SEA": (47.45, -122.31), "ATL": (33.64, -84.43),
    "MIA": (25.79, -80.29), "BOS": (42.36, -71.01), "PHX": (33.43, -112.01), "IAH": (29.98, -95.34),
    "LAS": (36.08, -115.15), "MCO": (28.43, -81.31), "EWR": (40.69, -74.17), "CLT": (35.21, -80.94),
    "MSP": (44.88, -93.22), "DTW": (42.21, -83.35), "PHL": (39.87, -75.24), "LGA": (40.78, -73.87),
}  # fmt: skip

# Cabin -> (lowest, highest) price of one segment for one passenger, dollars.
PRICE_RANGE: dict[str, tuple[int, int]] = {
    "basic_economy": (50, 100),
    "economy": (100, 200),
    "business": (200, 500),
}

# (cabin, membership of the booker) -> free checked bags per passenger.
FREE_BAGS: dict[tuple[str, str], int] = {
    ("basic_economy", "regular"): 0, ("economy", "regular"): 1, ("business", "regular"): 2,
    ("basic_economy", "silver"): 1, ("economy", "silver"): 2, ("business", "silver"): 3,
    ("basic_economy", "gold"): 2, ("economy", "gold"): 3, ("business", "gold"): 4,
}  # fmt: skip

BAG_FEE = 50
INSURANCE_FEE = 30

# Identifiers that the tools hand out during an episode: no generated record may take them.
RESERVED_IDS = frozenset(["HATHAT", "HATHAU", "HATHAV"] + [f"certificate_{n}" for n in (3221322, 3221323, 3221324)])

FIRST_NAMES = (
    "Agnes Alba Anselm Astrid Beatriz Bram Callum Celia Clement Dagny Dario Delphine Edda Elias Esme Farid "
    "Fenna Gideon Greta Hanna Hugo Idris Imani Ines Jasper Jonas Joyce Kaito Keiko Klara Leopold Lorna Ludo "
    "Maren Marisol Milo Nadia Naveen Nell Odile Oskar Otis Paloma Petra Quentin Ravi Rhoda Roman Rosa Saskia "
    "Selma Soren Stellan Tamsin Tariq Thea Ursula Viktor Wanda Willa Xavier Yelena Yusuf Zelda Zubin"
).split()

LAST_NAMES = (
    "Abara Almeida Ashworth Baptiste Beckett Bergman Bianchi Blackwood Calloway Castellano Cho Cordero "
    "Dalgaard Deshmukh Dubois Eklund Engel Ferreira Fitzroy Fontaine Galloway Grimaldi Halloran Haruki "
    "Hawthorne Ibarra Iwata Jansen Jimenez Kaplan Kerrigan Kowalczyk Lachance Lindqvist Lockhart Mancini "
    "Marchetti Mbeki Merriweather Nakagawa Novak Obrien Okafor Olsen Pacheco Papadakis Pemberton Quigley "
    "Radcliffe Ramanujan Rinaldi Rousseau Sandoval Schreiber Sinclair Szabo Takeda Thackeray Underhill "
    "Valdez Vance Varga Whitlock Winslow Yamamoto Yilmaz Zamora Zielinski"
).split()

STREETS = (
    "Alder Bayview Bluebell Canal Chestnut Copper Cypress Dogwood Fairmont Foundry Gaslight Harbor Hawthorn "
    "Juniper Lantern Larkspur Linden Magnolia Mill Mulberry Orchard Pearl Prospect Quarry Ridgeway Sycamore "
    "Tamarack Thornton Union Wharf Willowbrook"
).split()

STREET_KINDS = ("Avenue", "Court", "Lane", "Place", "Road", "Street", "Terrace", "Way")

# (city, state, first three digits of its ZIP codes)
CITIES = (
    ("Albuquerque", "NM", "871"), ("Boise", "ID", "837"), ("Buffalo", "NY", "142"),
    ("Charleston", "SC", "294"), ("Columbus", "OH", "432"), ("Des Moines", "IA", "503"),
    ("Fresno", "CA", "937"), ("Hartford", "CT", "061"), ("Kansas City", "MO", "641"),
    ("Louisville", "KY", "402"), ("Madison", "WI", "537"), ("Memphis", "TN", "381"),
    ("Mobile", "AL", "366"), ("Norfolk", "VA", "235"), ("Omaha", "NE", "681"),
    ("Pittsburgh", "PA", "152"), ("Portland", "OR", "972"), ("Raleigh", "NC", "276"),
    ("Reno", "NV", "895"), ("Rochester", "NY", "146"), ("Sacramento", "CA", "958"),
    ("Savannah", "GA", "314"), ("Spokane", "WA", "992"), ("Tucson", "AZ", "857"),
    ("Tulsa", "OK", "741"), ("Wichita", "KS", "672"),
)  # fmt: skip
