from tau2_core import Database


class NotesDB(Database):
    notes: dict[str, str]
