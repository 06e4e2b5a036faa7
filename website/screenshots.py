"""Pictures of the site in a real browser, on a desk and on a phone, and the pages that do not fit the screen.

``python -m website.screenshots [PAGE ...] [--out DIR] [--all]`` writes two pictures of each page, by default of one of
each kind; a page may be any HTML file, a report too. ``--all`` measures every page of the site instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.store import write_whole
from website.browser import Browser

__all__ = ["main", "overflowing"]

WIDTHS = (1280, 400)
PAGES = ("index", "start", "paging", "ledger", "gallery", "reference/bandits/ucb")

_WIDER = """[...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  if (!box.width || box.right <= window.innerWidth + 1) return false;
  for (let up = each; up && up !== document.body; up = up.parentElement) {
    const style = getComputedStyle(up);
    if (/auto|scroll|hidden|clip/.test(style.overflowX) || style.position === "fixed") return false;
  }
  return true;
}).slice(0, 3).map((each) => each.tagName.toLowerCase() + ": " + each.textContent.trim().slice(0, 60)).join(" | ")"""


def overflowing(browser: Browser) -> str:
    """What of the open page is wider than the screen and cannot be scrolled by itself; empty when all fits."""
    return str(browser.value(_WIDER) or "")


def main() -> int:
    """Entry point; the exit code is 1 when a page does not fit."""
    parser = argparse.ArgumentParser(prog="python -m website.screenshots", description=__doc__)
    parser.add_argument("pages", nargs="*", default=PAGES, help="pages of site/ without .html, or HTML files")
    parser.add_argument("--out", type=Path, default=Path("site-screenshots"))
    parser.add_argument("--height", type=int, default=2400, help="of the pictures, at most")
    parser.add_argument("--all", action="store_true", help="measure every page, without pictures")
    chosen = parser.parse_args()
    site = Path("site")
    if chosen.all:
        paths = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    else:
        paths = [Path(page) if page.endswith(".html") else site / f"{page}.html" for page in chosen.pages]
    if missing := [str(path) for path in paths if not path.is_file()]:
        parser.error(f"{', '.join(missing)}: not there; `make docs` builds the site")
    unfit = 0
    with Browser() as browser:
        for path in paths:
            for width in WIDTHS:
                browser.open(path.resolve().as_uri(), width)
                if wider := overflowing(browser):
                    unfit += 1
                    print(f"{path} at {width}: {wider}")
                if not chosen.all:
                    height = min(chosen.height, int(browser.value("document.documentElement.scrollHeight")))
                    stem = "-".join(path.with_suffix("").parts[-3:])
                    write_whole(chosen.out / f"{stem}-{width}.png", browser.picture(height=height))
    print(f"{len(paths)} pages at {' and '.join(map(str, WIDTHS))} pixels, {unfit} do not fit")
    return 1 if unfit else 0


if __name__ == "__main__":
    sys.exit(main())
