"""The mock domain: a team's shared task list, and the inbox of the member who calls."""
