"""Switch lamps."""

from tau2_core import ToolError

from lamps.models import Lamp, LampsDB


def switch(db: LampsDB, lamp: str, on: bool) -> Lamp:
    """Switch a lamp on or off and return it."""
    found = db.lamps.get(lamp)
    if found is None:
        raise ToolError(f"there is no lamp {lamp!r}")
    found.on = on
    return found
