"""Checks of values that came from a file: each names the entry, its rule, and what the file holds instead."""

import json
import math
import reprlib
from collections.abc import Collection
from typing import Any, NoReturn

from skvq._contract.errors import printable

LARGEST_INT = 2**63 - 1


class Refused(Exception):
    """A file, or an estimator to be saved, breaks a rule. The doors turn it into a public error.

    Parameters
    ----------
    why : str
        The rule that is broken, as a clause: ``"grid_ must be an object; got 3"``.
    way_out : str or None
        Advice, where the usual one does not help.
    """

    def __init__(self, why: str, way_out: str | None = None):
        super().__init__(why)
        self.way_out = way_out


def refuse(where: str, rule: str, got: object) -> NoReturn:
    """Raise for an entry that breaks its rule."""
    raise Refused(f"{printable(where)} must {rule}; got {printable(reprlib.repr(got))}")


def parse_json(text: bytes | str, where: str) -> Any:
    """Return what a JSON text says. Its names may not repeat, and it may not hold NaN.

    Raises
    ------
    Refused
        If it is not such a text, or is nested too deeply.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where} is not the JSON that save writes ({printable(error)})") from None


def mapping(node: Any, where: str, names: Collection[str], optional: Collection[str] = ()) -> dict:
    """Return an object that has the given names, and no others than these and the optional ones."""
    if not isinstance(node, dict):
        refuse(where, "be an object", node)
    missing = [name for name in names if name not in node]
    if missing:
        raise Refused(f"{printable(where)} lacks {', '.join(missing)}")
    unknown = [name for name in node if name not in names and name not in optional]
    if unknown:
        refuse(where, f"have no other entries than {', '.join([*names, *optional])}", unknown)
    return node


def items(node: Any, where: str, most: int) -> list:
    """Return a list of at most ``most`` items."""
    if not isinstance(node, list) or len(node) > most:
        refuse(where, f"be a list of at most {most} items", node)
    return node


def whole(node: Any, where: str, low: int = 0, high: int = LARGEST_INT) -> int:
    """Return an integer in [low, high]."""
    if type(node) is not int or not low <= node <= high:
        refuse(where, f"be an integer from {low} to {high}", node)
    return node


def number(node: Any, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite number in [low, high] as a float."""
    if type(node) not in (int, float) or not low <= node <= high or abs(node) > 1e300:
        refuse(where, "be a finite number" + (f" from {low:g} to {high:g}" if low > -math.inf else ""), node)
    return float(node)


def choice(node: Any, where: str, options: Collection[str]) -> str:
    """Return one of some words."""
    if not isinstance(node, str) or node not in options:
        refuse(where, f"be one of {', '.join(options)}", node)
    return node


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("NaN")
    return float(name)
