"""Template filters that format facts for the report: one per kind of number, and escaping for Markdown."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import yaml
from markupsafe import Markup

from handgrad.hyperparameters import HYPERPARAMETERS, short_value

DASH = "\N{EN DASH}"
SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
NONE = Markup(DASH)
SUPERSCRIPTS = str.maketrans(f"{MINUS}0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(fraction: float | None) -> Markup:
    """A fraction as a percentage: 0.8574 as 85.7%; only exactly 0 or 1 is shown as 0% or 100%."""
    if fraction is None:
        return NONE
    if 0.9995 <= fraction < 1:
        return Markup(f">{SPACE}99.9%")
    if 0 < fraction < 0.0005:
        return Markup(f"<{SPACE}0.1%")
    return Markup(f"{100 * fraction:.1f}%")


def interval(bounds: Sequence[float]) -> Markup:
    """Two fractions as a range of percentages with an en dash: 84.2-87.3%."""
    low, high = bounds
    return Markup(f"{100 * low:.1f}{DASH}{100 * high:.1f}%")


def points(difference: float | None) -> Markup:
    """A difference of two fractions in percentage points, with its sign: 0.0131 as +1.3."""
    return NONE if difference is None else _number(f"{100 * difference:+z.1f}")


def size(difference: float | None) -> Markup:
    """A difference of two fractions in percentage points, without its sign: -0.0131 as 1.3."""
    return NONE if difference is None else Markup(f"{100 * abs(difference):.1f}")


def points_interval(bounds: Sequence[float]) -> Markup:
    """Two differences of fractions in percentage points: -0.4 to +2.9."""
    low, high = bounds
    return Markup(f"{points(low)} to {points(high)}".replace(" ", SPACE))


def count(number: int | None) -> Markup:
    """A count with thousands separators: 9037 as 9,037."""
    return NONE if number is None else Markup(f"{number:,}")


def none_or_count(number: int) -> Markup:
    """A count, with zero as a word."""
    return Markup("none") if number == 0 else count(number)


def counted(number: int, thing: str, things: str = "") -> Markup:
    """A count with its noun: 1 run, 9 runs."""
    return Markup(f"{count(number)} {thing if number == 1 else things or thing + 's'}")


def all_of(number: int, thing: str) -> Markup:
    """All of a number of things: all 9 runs, the only run."""
    return Markup(f"the only {thing}" if number == 1 else f"all {counted(number, thing)}")


def plural(number: int, one: str, many: str) -> Markup:
    """The word that agrees with a count: is, are."""
    return Markup(one if number == 1 else many)


def last_of(number: int, thing: str) -> Markup:
    """The last things of a sequence: the last epoch, the last 5 epochs."""
    return Markup(f"the last {thing}" if number == 1 else f"the last {counted(number, thing)}")


def signif(number: float | None, digits: int = 3) -> Markup:
    """A measured number to `digits` significant digits: 0.35071 as 0.351; scientific notation if needed."""
    if number is None:
        return NONE
    if number == 0:
        return Markup("0")
    rounded = Decimal(f"{number:.{digits - 1}e}")
    return _number(f"{rounded:,f}") if -5 < rounded.adjusted() < 6 else _scientific(rounded)


def exact(number: float) -> Markup:
    """A number that was chosen rather than measured, with all its digits."""
    decimal = Decimal(repr(number)).normalize()
    return _number(f"{decimal:f}") if -6 < decimal.adjusted() < 7 else _scientific(decimal)


def setting(value: Any) -> Markup:
    """A hyperparameter's value: a number with all its digits, yes or no, a name."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exact(value)
    return escaped(short_value(value))


def label(name: str) -> Markup:
    """The display name of a hyperparameter."""
    return escaped(HYPERPARAMETERS[name].label)


def p_value(probability: float) -> Markup:
    """A p-value as p = 0.031, or p < 0.001 if smaller than that."""
    text = "p < 0.001" if probability < 0.001 else f"p = {probability:.2g}"
    return Markup(text.replace(" ", SPACE))


def probability(value: float) -> Markup:
    """A probability as 0.031, for table columns."""
    return Markup("< 0.001".replace(" ", SPACE) if value < 0.001 else f"{value:.2g}")


def escaped(text: str) -> Markup:
    """Escape text so that Markdown, Pandoc's or GitHub's, shows it verbatim on one line."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    line = re.sub(r"([\\`*_{}\[\]()<>#$&~^|@!])", r"\\\1", line)
    line = re.sub(r"(\"|(?<!\w)'|'(?!\w)|-(?=-)|\.(?=\.))", r"\\\1", line)  # smart punctuation
    line = re.sub(r":(?=\S)", r"\:", line)  # :name: is an emoji; http:// and www. are links
    line = re.sub(r"(?<=www)\.", r"\.", line)
    line = re.sub(r"^(\w*)([-+.])(?=[-\s]|$)", r"\1\\\2", line)  # "- " and "1. " start lists
    return Markup(line)


def sentence(text: str) -> Markup:
    """Text with its first letter capitalised."""
    text = escaped(text) if not isinstance(text, Markup) else text
    return Markup(text[:1].upper() + text[1:])


def code(text: str) -> Markup:
    """Text as inline code; only escaped if it contains characters that would end the code or a table cell."""
    return Markup(f"`{text}`") if re.fullmatch(r"[^`|\s]+(?: [^`|\s]+)*", text) else escaped(text)


def listing(texts: Iterable[str]) -> Markup:
    """Several texts as a list: a, b and c."""
    *first, last = [text if isinstance(text, Markup) else escaped(text) for text in texts]
    return Markup(f"{', '.join(first)} and {last}" if first else last)


def yaml_text(text: str) -> Markup:
    """Text as a value in the report's YAML front matter, which Pandoc parses as Markdown."""
    return Markup('"' + str(escaped(text)).replace("\\", "\\\\").replace('"', '\\"') + '"')


def yaml_block(content: Any) -> Markup:
    """A mapping as a fenced YAML code block."""
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True, width=10_000)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return Markup(f"{fence}yaml\n{text}{fence}")


def one_line(text: str) -> Markup:
    """Join text that a template spreads over several lines; non-breaking spaces are kept."""
    return Markup(re.sub(r"[ \n]+", " ", text).strip(" "))


def detail(line: str) -> Markup:
    """A line of a diagnosis; the formula or the numbers after its label are set as code."""
    label, _, rest = line.partition(":")
    if label not in ("expected", "your numbers"):
        return escaped(line)
    return Markup(f"{label}: {code(rest.strip())}")


def columns(lines: str) -> Markup:
    """The header of a table, from one line per column: its heading, then its alignment."""
    headings, alignments = zip(*(line.rsplit(maxsplit=1) for line in lines.strip().splitlines()), strict=True)
    return Markup(f"| {' | '.join(headings)} |\n|{'|'.join(alignments)}|\n")


def row(lines: str) -> Markup:
    """A table row from several lines; each cell begins with a vertical bar."""
    return Markup(f"{one_line(lines)} |\n")


def _number(text: str) -> Markup:
    return Markup(text.replace("-", MINUS))


def _scientific(number: Decimal) -> Markup:
    mantissa = number.scaleb(-number.adjusted())
    exponent = _number(str(number.adjusted())).translate(SUPERSCRIPTS)
    return Markup(f"{_number(f'{mantissa:f}')} {TIMES} 10{exponent}".replace(" ", SPACE))


FILTERS = {
    function.__name__: function
    for function in (
        percent,
        interval,
        points,
        size,
        points_interval,
        count,
        none_or_count,
        counted,
        all_of,
        plural,
        last_of,
        signif,
        exact,
        setting,
        label,
        p_value,
        probability,
        escaped,
        sentence,
        code,
        listing,
        yaml_text,
        yaml_block,
        one_line,
        columns,
        detail,
        row,
    )
}
