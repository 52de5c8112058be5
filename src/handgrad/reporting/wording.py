"""How the report words facts: every number by a named filter, every text escaped for Markdown."""

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
    """A fraction in per cent: 0.8574 as 85.7%; what is not all or nothing is not rounded to it."""
    if fraction is None:
        return NONE
    if 0.9995 <= fraction < 1:
        return Markup(f">{SPACE}99.9%")
    if 0 < fraction < 0.0005:
        return Markup(f"<{SPACE}0.1%")
    return Markup(f"{100 * fraction:.1f}%")


def interval(bounds: Sequence[float]) -> Markup:
    """Two fractions in per cent, as 84.2-87.3%, with a dash."""
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
    """A number of things: 9037 as 9,037."""
    return NONE if number is None else Markup(f"{number:,}")


def none_or_count(number: int) -> Markup:
    """A number of things; none of them in a word."""
    return Markup("none") if number == 0 else count(number)


def counted(number: int, thing: str, things: str = "") -> Markup:
    """A number of things, named: 1 run, 9 runs."""
    return Markup(f"{count(number)} {thing if number == 1 else things or thing + 's'}")


def all_of(number: int, thing: str) -> Markup:
    """Every one of a number of things: all 9 runs, the only run."""
    return Markup(f"the only {thing}" if number == 1 else f"all {counted(number, thing)}")


def plural(number: int, one: str, many: str) -> Markup:
    """The word that agrees with a number: is, are."""
    return Markup(one if number == 1 else many)


def last_of(number: int, thing: str) -> Markup:
    """The last things of a sequence: the last epoch, the last 5 epochs."""
    return Markup(f"the last {thing}" if number == 1 else f"the last {counted(number, thing)}")


def signif(number: float | None, digits: int = 3) -> Markup:
    """A measured number to so many significant digits: 0.35071 as 0.351; by powers of ten where needed."""
    if number is None:
        return NONE
    if number == 0:
        return Markup("0")
    rounded = Decimal(f"{number:.{digits - 1}e}")
    return _number(f"{rounded:,f}") if -5 < rounded.adjusted() < 6 else _scientific(rounded)


def exact(number: float) -> Markup:
    """A number that was chosen, not measured, with all its digits."""
    decimal = Decimal(repr(number)).normalize()
    return _number(f"{decimal:f}") if -6 < decimal.adjusted() < 7 else _scientific(decimal)


def setting(value: Any) -> Markup:
    """A hyperparameter's value: a number with all its digits, yes or no, a name."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exact(value)
    return escaped(short_value(value))


def label(name: str) -> Markup:
    """What people call the hyperparameter of a name."""
    return escaped(HYPERPARAMETERS[name].label)


def p_value(probability: float) -> Markup:
    """A probability as p = 0.031; what lies below 0.001 only as that."""
    text = "p < 0.001" if probability < 0.001 else f"p = {probability:.2g}"
    return Markup(text.replace(" ", SPACE))


def probability(value: float) -> Markup:
    """A probability as 0.031, for a column of them."""
    return Markup("< 0.001".replace(" ", SPACE) if value < 0.001 else f"{value:.2g}")


def escaped(text: str) -> Markup:
    """A text as Markdown that shows it as it is, on one line, in Pandoc's dialect and in GitHub's."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    line = re.sub(r"([\\`*_{}\[\]()<>#$&~^|@!])", r"\\\1", line)
    line = re.sub(r"(\"|(?<!\w)'|'(?!\w)|-(?=-)|\.(?=\.))", r"\\\1", line)  # become other signs
    line = re.sub(r":(?=\S)", r"\:", line)  # :name: is an emoji, http:// a link, and so is www.
    line = re.sub(r"(?<=www)\.", r"\.", line)
    line = re.sub(r"^(\w*)([-+.])(?=[-\s]|$)", r"\1\\\2", line)  # "- " and "1. " begin lists
    return Markup(line)


def sentence(text: str) -> Markup:
    """A text with a capital letter at its beginning."""
    text = escaped(text) if not isinstance(text, Markup) else text
    return Markup(text[:1].upper() + text[1:])


def code(text: str) -> Markup:
    """A text in the type of a program; only escaped where it holds what would end that, or a table's cell."""
    return Markup(f"`{text}`") if re.fullmatch(r"[^`|\s]+(?: [^`|\s]+)*", text) else escaped(text)


def listing(texts: Iterable[str]) -> Markup:
    """Several texts as one: a, b and c."""
    *first, last = [text if isinstance(text, Markup) else escaped(text) for text in texts]
    return Markup(f"{', '.join(first)} and {last}" if first else last)


def yaml_text(text: str) -> Markup:
    """A text as a value of the YAML at the top of the report, where texts are Markdown."""
    return Markup('"' + str(escaped(text)).replace("\\", "\\\\").replace('"', '\\"') + '"')


def yaml_block(content: Any) -> Markup:
    """A mapping as a fenced block of YAML."""
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True, width=10_000)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return Markup(f"{fence}yaml\n{text}{fence}")


def one_line(text: str) -> Markup:
    """A text that a template spreads over several lines, on one; no-break spaces stay."""
    return Markup(re.sub(r"[ \n]+", " ", text).strip(" "))


def detail(line: str) -> Markup:
    """A line of a diagnosis; the formula or the numbers after its label are set as code."""
    label, _, rest = line.partition(":")
    if label not in ("expected", "your numbers"):
        return escaped(line)
    return Markup(f"{label}: {code(rest.strip())}")


def columns(lines: str) -> Markup:
    """The head of a table from one line for each column, its heading followed by its alignment."""
    headings, alignments = zip(*(line.rsplit(maxsplit=1) for line in lines.strip().splitlines()), strict=True)
    return Markup(f"| {' | '.join(headings)} |\n|{'|'.join(alignments)}|\n")


def row(lines: str) -> Markup:
    """A row of a table from several lines; each cell begins with a vertical bar."""
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
