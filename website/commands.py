"""The commands as a page, from what `regretlab COMMAND --help` knows."""

from __future__ import annotations

from html import escape
from typing import Any

import typer.main

from experiments.commands import app

__all__ = ["page"]


def page() -> str:
    """The page, as Markdown with HTML inside."""
    group: Any = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        "Every mistake in what is asked ends in one line on standard error and exit code 2; a claim or a check that "
        "fails, in exit code 1. `regretlab COMMAND --help` prints the same.\n",
    ]
    for name, command in group.commands.items():
        about, _, rest = (command.help or "").partition("\n\n")
        parts.append(f"## regretlab {name}\n\n{' '.join(about.split())}\n\n{' '.join(rest.split())}\n")
        rows = "\n".join(_parameter(each) for each in command.params if each.name != "help")
        parts.append(f'<dl class="options" markdown="0">\n{rows}\n</dl>\n' if rows else "")
    return "\n".join(parts)


def _parameter(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    name = str(parameter.name).upper() if argument else ", ".join(parameter.opts)
    default = parameter.default
    # 0 is a default to tell; no value, a flag that is off, and an empty list are not.
    told = default is not None and default is not False and default != "" and not callable(default)
    notes = []
    if parameter.required:
        notes.append("required")
    elif told and parameter.nargs != -1:
        notes.append(f"default {default}")
    help_text = escape(getattr(parameter, "help", None) or "")
    note = f' <span class="of">{escape(", ".join(notes))}</span>' if notes else ""
    return f"<div><dt><code>{escape(name)}</code>{note}</dt><dd>{help_text}</dd></div>"
