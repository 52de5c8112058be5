"""Citations and the reference list, formatted by Pandoc's citeproc from a BibTeX file."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pypandoc

from handgrad.errors import HandgradError
from handgrad.reporting.typesetting import text_of


class References(NamedTuple):
    """In-text citations, such as (Holm 1979), and reference entries in list order, both by key."""

    citations: dict[str, str]
    entries: dict[str, str]


@cache
def references(bibliography: Path, keys: Sequence[str]) -> References:
    """Return the citations and reference entries for these keys, as Markdown.

    Raises:
        HandgradError: if the bibliography cannot be read or does not contain a key.
    """
    source = "\n\n".join(f"[@{key}]" for key in keys)
    arguments = ["--citeproc", f"--bibliography={bibliography}"]
    try:
        document = json.loads(pypandoc.convert_text(source, "json", "markdown", arguments))
    except RuntimeError as error:
        raise HandgradError(f"{bibliography}: {error}") from error
    paragraphs = [block for block in document["blocks"] if block["t"] == "Para"]
    listed = [div for block in document["blocks"] if block["t"] == "Div" for div in block["c"][1]]
    entries = {
        div["c"][0][0].removeprefix("ref-"): _markdown(document | {"blocks": div["c"][1]}) for div in listed
    }
    if missing := [key for key in keys if key not in entries]:
        raise HandgradError(f"{bibliography}: has no entry {', '.join(missing)}, which the report cites")
    citations = {key: text_of(block["c"]) for key, block in zip(keys, paragraphs, strict=True)}
    return References(citations, entries)


def _markdown(document: dict[str, Any]) -> str:
    text: str = pypandoc.convert_text(json.dumps(document), "commonmark", "json", ["--wrap=none"])
    return text.strip()
