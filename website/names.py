"""Links from code to the reference: `UCB1` in a text leads to its description."""

from __future__ import annotations

import functools
import html
import posixpath
import re
from collections import Counter

from website import reference

__all__ = ["code_spans", "linked"]

_TOKEN = re.compile(r"(<[^>]*>)")
_CALL = re.compile(r"^([A-Za-z_][\w.]*)(\(.*\))?$", re.DOTALL)
_NEVER_INSIDE = {"a", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "autoref"}


def code_spans(text: str) -> str:
    """A text as HTML: what stands in backticks is code, and nothing is markup."""
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def linked(page: str, url: str) -> str:
    """The HTML of a page, at this address of the site, with links around the names in its code.

    A name is linked when it is one of the library's and no other has it: in full, ``algos.rounds.RoundKernels``, or its
    last part where that cannot be an ordinary word, ``UCB1``, ``ucb1_bound``, ``stream(...)``.
    """
    result, depth, parts = [], Counter[str](), _TOKEN.split(page)
    for place, part in enumerate(parts):
        if place % 2:
            name = _tag(part)
            depth[name] += (-1 if part.startswith("</") else 1) if name in _NEVER_INSIDE else 0
            result.append(part)
            continue
        in_code = parts[max(place - 1, 0) : place + 2 : 2] == ["<code>", "</code>"]
        address = None
        if in_code:
            part = re.sub(r"_(?=\w)", "_<wbr>", part)  # where a long name may break
        if in_code and not any(depth[name] > 0 for name in _NEVER_INSIDE):
            address = _address(html.unescape(part.replace("<wbr>", "")))
        if address is None:
            result.append(part)
        else:
            target = posixpath.relpath(address, posixpath.dirname(url) or ".")
            result[-1] = f'<a class="name" href="{target}"><code>'
            result.append(part)
            parts[place + 1] = "</code></a>"
    return "".join(result)


def _tag(token: str) -> str:
    found = re.match(r"</?\s*([\w-]+)", token)
    return found.group(1).lower() if found and not token.endswith("/>") else ""


def _address(code: str) -> str | None:
    found = _CALL.match(code.strip())
    if not found:
        return None
    name, called = found.groups()
    known = _known()
    telling = called or "_" in name or "." in name or not name.islower()
    return known.get(name) if telling else None


@functools.cache
def _known() -> dict[str, str]:
    """Addresses by full path, and by the last part where only one name has it."""
    entries = list(reference.entries())
    last = Counter(entry.name for entry in entries)
    known = {entry.name: entry.address for entry in entries if last[entry.name] == 1}
    return (
        known
        | {entry.path: entry.address for entry in entries}
        | {f"{entry.module}.{entry.name}": entry.address for entry in entries}
    )
