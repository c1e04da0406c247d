from tau2_core import ToolError

from conformance_pack.models import NotesDB


def simple_text(db: NotesDB) -> str:
    return "This is a simple text response for testing."


def error_handling(db: NotesDB) -> str:
    raise ToolError("This tool intentionally returns an error for testing")
