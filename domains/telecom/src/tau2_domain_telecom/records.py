"""The base class of all records."""

from pydantic import ConfigDict
from tau2_core import Record


class StrictRecord(Record):
    """A record that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")
