"""The records of the help desk."""

from typing import Literal

from tau2_core import Database, Record


class Employee(Record):
    """Somebody who works for the company."""

    employee_id: str
    name: str
    email: str
    contract: Literal["staff", "contractor"]
    second_factor: Literal["set up", "to be set up"]


class Laptop(Record):
    """A laptop and who has it."""

    laptop_id: str
    employee_id: str
    state: Literal["in use", "wiped"]


class DeskDB(Database):
    """The database that the agent's tools read and write."""

    employees: dict[str, Employee]
    laptops: dict[str, Laptop]
