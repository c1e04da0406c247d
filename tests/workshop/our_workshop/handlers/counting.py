def count_tasks(db) -> int:
    return len(db.tasks)
