"""The records: the schema of the database."""

from tau2_core import Database, Record


class Lamp(Record):
    """One lamp."""

    colour: str
    on: bool


class LampsDB(Database):
    """The switchboard."""

    lamps: dict[str, Lamp]
