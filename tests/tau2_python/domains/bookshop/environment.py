import json
from pathlib import Path

from bench_stand_in import DB, Environment, Task, ToolKitBase, ToolType, is_tool
from pydantic import BaseModel

DATA = Path(__file__).parent / "data"


class Book(BaseModel):
    title: str
    price: float
    stock: int = 0


class Line(BaseModel):
    isbn: str
    count: int = 1


class ShopDB(DB):
    books: dict[str, Book]
    orders: dict[str, list[Line]] = {}
    closed: bool = False


class ReaderDB(DB):
    shelf: list[str] = []
    told: dict[str, str] = {}


class ShopTools(ToolKitBase):
    @is_tool(ToolType.READ)
    def get_book(self, isbn: str) -> Book:
        """Look a book up.

        Args:
            isbn: Its number.
        """
        if isbn not in self.db.books:
            raise ValueError(f"no book {isbn}")
        return self.db.books[isbn]

    @is_tool(ToolType.WRITE)
    def order(self, order_id: str, lines: list[Line], gift: bool = False, note: str | None = None) -> dict:
        """Order books. The stock of the first lines is taken even if a later one is sold out."""
        lines = [Line.model_validate(each) for each in lines]
        for line in lines:
            book = self.db.books[line.isbn]
            if book.stock < line.count:
                raise ValueError(f"{book.title} is sold out")
            book.stock -= line.count
        self.db.orders[order_id] = lines
        return {"order": order_id, "lines": lines, "gift": gift, "note": note}

    @is_tool(ToolType.READ)
    def count_orders(self) -> int:
        """Count the orders."""
        return len(self.db.orders)

    @is_tool(ToolType.GENERIC)
    def transfer_to_human_agents(self, summary: str) -> str:
        """Hand the customer over."""
        return "Transfer successful"

    def set_stock(self, isbn: str, stock: int) -> None:
        self.db.books[isbn].stock = stock

    def assert_stock(self, isbn: str, stock: int) -> bool:
        return self.db.books[isbn].stock == stock


class ReaderTools(ToolKitBase):
    @is_tool(ToolType.WRITE)
    def put_on_shelf(self, title: str) -> str:
        """Put a book on your shelf."""
        self.db.shelf.append(title)
        return f"{title} is on the shelf."

    @is_tool(ToolType.READ)
    def look_at_mail(self) -> dict:
        """Read what the shop wrote."""
        return self.db.told

    def assert_on_shelf(self, title: str) -> bool:
        return title in self.db.shelf


class ShopEnvironment(Environment):
    def sync_tools(self):
        for order in self.tools.db.orders:
            self.user_tools.db.told[order] = f"Your order {order} is on its way."


def get_environment(db=None, solo_mode=False):
    if solo_mode:
        raise ValueError("a shop needs customers")
    db = db or ShopDB.model_validate(json.loads((DATA / "db.json").read_text()))
    policy = (DATA / "policy.md").read_text()
    return ShopEnvironment("bookshop", policy, ShopTools(db), ReaderTools(ReaderDB()))


def get_tasks(task_split_name="base"):
    tasks = [Task.model_validate(each) for each in json.loads((DATA / "tasks.json").read_text())]
    return [task for task in tasks if task_split_name is None or task.id in get_tasks_split()[task_split_name]]


def get_tasks_split():
    return {"base": ["buy", "shelve", "sold_out", "sold_out_again"], "train": ["buy"], "test": ["sold_out"]}
