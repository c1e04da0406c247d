"""Safe arithmetic on text for packs' calculators: numbers and operators only, no other Python."""

import ast
import operator
from collections.abc import Callable
from typing import Any

from tau2_core.errors import ToolError

Number = int | float

_ALLOWED = frozenset("0123456789+-*/(). ")
MAX_CHARACTERS = 2000
MAX_OPERATIONS = 400
# Integers above this size (1,233 digits) are refused. They cost time and are rarely useful, since a result must fit
# a float (1024 bits).
MAX_BITS = 2**12
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def calculate(expression: str) -> str:
    """Compute an expression of numbers, brackets and `+ - * / // **`.

    Args:
        expression: the text: only digits, operators, brackets, decimal points and spaces, at most 2,000 characters and
            400 operators.

    Returns:
        The value as a float rounded to two decimals, in Python's notation: `4.0`, `0.33`, `1e+16`, `inf`.

    Raises:
        ToolError: the text is not such an expression or too long, an intermediate number has more than 4,096 bits, or
            the value is not a real number that fits a float.
    """
    if not isinstance(expression, str):
        raise ToolError(f"an expression should be a string, not a {type(expression).__name__}")
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(f"an expression has at most {MAX_CHARACTERS} characters, not {len(expression)}")
    if not _ALLOWED.issuperset(expression):
        raise ToolError(f"{_short(expression)} may contain only digits, + - * / ( ) . and spaces")
    try:
        value = _evaluate(ast.parse(expression.strip(" "), mode="eval").body)
        return str(round(float(value), 2))
    except SyntaxError as error:
        raise ToolError(f"{_short(expression)} is not an arithmetic expression: {error.msg}") from error
    except (MemoryError, RecursionError) as error:  # how Python's parser reports its limits
        raise ToolError("the expression is nested too deeply") from error
    except ArithmeticError as error:
        raise ToolError(f"{_short(expression)} has no value: {error}") from error


def _evaluate(root: ast.expr) -> Number:
    """Compute a syntax tree bottom-up, without recursion because a long sum is a deep tree."""
    pending: list[ast.AST] = [root]
    values: list[Number] = []
    operations = 0
    while pending:
        match pending.pop():
            case ast.Constant(value=int() | float() as number):
                values.append(_bounded(number))
            case ast.UnaryOp(op=sign, operand=operand):
                pending += (sign, operand)
            case ast.BinOp(op=sign, left=left, right=right):
                pending += (sign, right, left)
            case ast.unaryop() | ast.operator() if operations >= MAX_OPERATIONS:
                raise ToolError(f"an expression has at most {MAX_OPERATIONS} operators")
            case ast.unaryop() as sign:
                operations += 1
                values.append(_UNARY[type(sign)](values.pop()))
            case ast.operator() as sign:
                operations += 1
                second, first = values.pop(), values.pop()
                values.append(_apply(sign, first, second))
            case other:
                raise ToolError(f"{ast.unparse(other)} is neither a number nor an operation on numbers")
    return values.pop()


def _apply(sign: ast.operator, first: Number, second: Number) -> Number:
    return _bounded(_power(first, second) if isinstance(sign, ast.Pow) else _BINARY[type(sign)](first, second))


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError("an intermediate number is too large")
    return value


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int) and (base.bit_length() - 1) * exponent > MAX_BITS:
        raise OverflowError("a power is too large")
    value = base**exponent
    if isinstance(value, complex):
        raise ToolError("a fractional power of a negative number is not real")
    return value


def _short(expression: str) -> str:
    return repr(expression if len(expression) <= 100 else f"{expression[:100]}…")
