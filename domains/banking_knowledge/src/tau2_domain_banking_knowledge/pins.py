"""Rules for PINs and other digits of cards."""

from tau2_core import Refusal

_SEQUENCES = ("0123456789", "9876543210")
_WEAK = {sequence[start : start + 4] for sequence in _SEQUENCES for start in range(7)}


def check_digits(value: str, length: int, name: str) -> None:
    """Refuse a text that does not consist of `length` digits."""
    if not (value.isdigit() and len(value) == length):
        raise Refusal(f"{name} should have {length} digits")


def check_pin(pin: str) -> None:
    """Refuse a PIN that is easy to guess."""
    check_digits(pin, 4, "the PIN")
    if pin in _WEAK or len(set(pin)) == 1:
        raise Refusal("this PIN is too easy to guess")
