"""Render the report as Markdown from templates and facts alone, numbering figures and tables."""

import re
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
)
from markupsafe import Markup

from handgrad.errors import HandgradError
from handgrad.reporting.references import references
from handgrad.reporting.statements import THRESHOLDS
from handgrad.reporting.wording import FILTERS, escaped

REFERENCE = re.compile("\x02(figure|table) (.*?)\x03")
CITATION = re.compile("\x02cite (.*?)\x03")
LIST_OF_REFERENCES = "\x02references\x03"


def compose(
    loader: BaseLoader, template: str, facts: dict[str, Any], bibliography: Path | None = None
) -> str:
    """Render a template with the facts.

    Templates can use the facts by name, the filters of `wording`, the `THRESHOLDS` of `statements`, and these
    functions: `numbered(kind, name)` starts the caption of a figure or table, `see(kind, name)` refers to one
    that comes earlier or later, `cite(key)` cites a work in the bibliography, a BibTeX file, and
    `list_of_references()` lists the cited works. Text is escaped unless a filter has already escaped it; a
    number must go through a filter.

    Raises:
        HandgradError: if a template is invalid, uses something that is not in the facts, prints a number
            without a filter, or refers to a figure, table or work that does not exist.
    """
    numbers: dict[tuple[str, str], int] = {}

    def numbered(kind: str, name: str) -> Markup:
        if (kind, name) in numbers:
            raise HandgradError(
                f"{template}: there are two {kind}s named {name}; give each a name of its own"
            )
        number = 1 + sum(other == kind for other, _ in numbers)
        numbers[kind, name] = number
        return Markup(f'<span id="{_anchor(kind, name)}">**{kind.capitalize()} {number}.**</span>')

    def see(kind: str, name: str) -> Markup:
        return Markup(f"\x02{kind} {name}\x03")

    def resolved(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if (kind, name) not in numbers:
            raise HandgradError(f"{template}: refers to the {kind} {name}, which does not exist")
        return f"[{kind.capitalize()} {numbers[kind, name]}](#{_anchor(kind, name)})"

    def cite(key: str) -> Markup:
        return Markup(f"\x02cite {key}\x03")

    functions = {"numbered": numbered, "see": see, "cite": cite}
    functions |= {"list_of_references": lambda: Markup(LIST_OF_REFERENCES)}
    try:
        text = _environment(loader).get_template(template).render(facts | functions)
    except (TemplateError, TypeError, ValueError) as error:
        raise HandgradError(f"{_place(error)}: {error}; correct the template") from error
    text = _with_citations(REFERENCE.sub(resolved, text), bibliography)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _with_citations(text: str, bibliography: Path | None) -> str:
    """Insert the citations and the list of cited works into the text."""
    keys = tuple(dict.fromkeys(CITATION.findall(text)))
    if not keys:
        return text
    if bibliography is None:
        raise HandgradError(f"the report cites {keys[0]}, but there is no bibliography")
    citations, entries = references(bibliography, keys)
    listed = "\n\n".join(f'<span id="ref-{key}">{entry}</span>' for key, entry in entries.items())
    text = CITATION.sub(lambda match: f"[{citations[match[1]]}](#ref-{match[1]})", text)
    return text.replace(LIST_OF_REFERENCES, listed)


@lru_cache(maxsize=1)
def _environment(loader: BaseLoader) -> Environment:
    """Return the Jinja environment; cached, since compiling templates takes longer than rendering them."""
    environment = Environment(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {"thresholds": THRESHOLDS}
    return environment


def _place(error: Exception) -> str:
    """Return the template and line where an error occurred."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}"
    if isinstance(error, TemplateNotFound):
        return "report"
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "report"


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name.replace('_', '-')}"


def _printed(value: Any) -> Markup:
    """Return what a template prints for a value; Markup, the result of filters and macros, is unchanged."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, Undefined):
        return Markup(str(value))
    raise TypeError(f"{value!r} is printed without a filter, such as percent, signif or count")
