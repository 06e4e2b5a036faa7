r"""Formulas as MathML, made when the site is built: browsers set it by themselves, without a script.

Texts write $\sqrt{K T}$ or $$\sum_t \ell_t$$. The font with the signs of mathematics comes with the package `ziamath`.
"""

from __future__ import annotations

import html
import re
from importlib.resources import files

from latex2mathml.converter import convert

__all__ = ["font", "typeset"]

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def typeset(page: str) -> str:
    """The HTML of a page with its formulas set.

    Raises
    ------
    ValueError
        For a formula with a command that is not known.
    """
    return _FORMULA.sub(lambda found: _set(html.unescape(found[3]), block=found[2] == "["), page)


def font() -> bytes:
    """STIX Two Math, an open font."""
    return files("ziamath").joinpath("fonts", "STIXTwoMath-Regular.ttf").read_bytes()


def _set(formula: str, *, block: bool) -> str:
    found = convert(formula, display="block" if block else "inline")
    if unknown := re.search(r"\\[A-Za-z]+", found):
        raise ValueError(f"formula {formula!r}: {unknown[0]} is not known")
    return f'<div class="formula">{found}</div>' if block else found
