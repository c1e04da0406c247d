"""Built-in writers of other tools' formats."""
