"""What all records of this pack share."""

from pydantic import ConfigDict
from tau2_core import Record


class StrictRecord(Record):
    """A record that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid")
