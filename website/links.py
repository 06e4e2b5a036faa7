"""The last check: every link and picture of the built site leads somewhere inside it, or to another site."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken", "check"]


class _Reader(HTMLParser):
    """Collects what a page links to and what can be linked to in it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = {""}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := values.get(key))}
        self.targets += [value for key in ("href", "src") if (value := values.get(key))]


def broken(site: Path) -> list[str]:
    """The links of a site that lead nowhere, with their pages."""
    pages: dict[Path, _Reader] = {}
    for path in sorted(site.rglob("*.html")):
        pages[path.resolve()] = reader = _Reader()
        reader.feed(path.read_text())
    found = []
    for path, reader in pages.items():
        if path.name == "404.html":  # served for any address, its links start at the root
            continue
        for target in dict.fromkeys(reader.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            aim = aim / "index.html" if aim.is_dir() else aim
            known = pages.get(aim)
            if not aim.is_file() or (known is not None and unquote(parts.fragment) not in known.anchors):
                found.append(f"{path.relative_to(site.resolve())}: {target}")
    return found


def check(site: Path) -> None:
    """Raise when a link of the site leads nowhere.

    Raises
    ------
    ValueError
        Naming pages and links.
    """
    if found := broken(site):
        raise ValueError(f"{len(found)} links lead nowhere:\n  " + "\n  ".join(found[:50]))
