"""What MkDocs calls: adds the pages and figures that are made from the library, and checks the site at the end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website import commands, figures, gallery, ledger, links, mathematics, names, reference

__all__ = ["on_config", "on_files", "on_page_content", "on_page_markdown", "on_post_build"]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the reference into the menu."""
    assert isinstance(config.nav, list)
    config.nav.append({"Reference": reference.navigation()})
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is made: pages of the reference, the ledger, commands, the gallery, and the figures of the texts."""

    def add(address: str, content: str | bytes) -> None:
        files.append(File.generated(config, address, content=content))

    for address, text in reference.pages():
        add(address, text)
    add("ledger.md", ledger.page())
    add("commands.md", commands.page())
    for address, content in gallery.files():
        add(address, content)
    for page in list(files.documentation_pages()):
        if page.src_uri.count("/") == 0 and page.abs_src_path:
            for address, picture in figures.of_page(Path(page.abs_src_path)):
                add(address, picture)
    add("stylesheets/stix-two-math.ttf", mathematics.font())
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Colour sessions as sessions, and let figures be opened at their own size."""
    markdown = re.sub(r"^```python\n(?=>>> )", "```pycon\n", markdown, flags=re.MULTILINE)
    return re.sub(r"^(!\[[^\]]*\]\((figures/[\w-]+\.svg)\))", r"[\1](\2)", markdown, flags=re.MULTILINE)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Typeset formulas, and link names of the library to the reference."""
    return names.linked(mathematics.typeset(html), page.url)


def on_post_build(*, config: MkDocsConfig) -> None:
    """Refuse a site with a link that leads nowhere."""
    links.check(Path(config.site_dir))


def on_serve(server: Any, **kwargs: Any) -> Any:
    """Also build again when the library changes."""
    for folder in ("algos", "bandits", "online", "optimization", "simulators", "experiments", "website"):
        server.watch(folder)
    return server
