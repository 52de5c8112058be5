"""Prepare the report's Markdown, which is also readable on GitHub, for Pandoc's writers.

GitHub has no captions: in the Markdown, a caption is a paragraph that begins with the label of its figure or
table, `<span id="figure-x">**Figure 1.**</span>`, below the figure or above the table. Here it becomes a
proper caption in Pandoc's syntax tree (as JSON; pandoc-types, Text.Pandoc.Definition). An alert, such as
`> [!WARNING]`, becomes a box without the heading that names its type.
"""

import json
from itertools import zip_longest
from typing import Any

Node = dict[str, Any]
# Table of contents, placed after the first chapter, which is the summary.
CONTENTS = {"html": "<!--contents-->", "pdf": "#contents"}
BOXES = {"note", "tip", "important", "warning", "caution"}


def typeset(document: Node, form: str) -> Node:
    """Adapt a report's syntax tree to Pandoc's HTML writer, or to its Typst writer for a PDF."""
    finish = {"html": _for_html, "pdf": _for_typst}[form]
    captioned = _captioned(document["blocks"])
    if form == "pdf":
        captioned = _kept_with_next(captioned)
    blocks = [finished for block in captioned for finished in finish(block)]
    chapters = [place for place, block in enumerate(blocks) if block["t"] == "Header" and block["c"][0] == 1]
    contents = {"t": "RawBlock", "c": [{"html": "html", "pdf": "typst"}[form], CONTENTS[form]]}
    place = chapters[1] if len(chapters) > 1 else 0
    return document | {"blocks": [*blocks[:place], contents, *blocks[place:]]}


def _captioned(blocks: list[Node]) -> list[Node]:
    """Move each caption into the figure or table it belongs to."""
    result: list[Node] = []
    for block in blocks:
        if _caption_of(block, "figure") and result and result[-1]["t"] == "Figure":
            result[-1] = _with_caption(result[-1], block)
        elif block["t"] == "Table" and result and _caption_of(result[-1], "table"):
            result[-1] = _with_caption(block, result[-1])
        else:
            result.append(block)
    return result


def _caption_of(block: Node, kind: str) -> str:
    """Return the id of the figure or table that a paragraph captions; empty if it is not a caption."""
    if block["t"] != "Para" or block["c"][0]["t"] != "Span":
        return ""
    name: str = block["c"][0]["c"][0][0]
    return name if name.startswith(f"{kind}-") else ""


def _with_caption(block: Node, paragraph: Node) -> Node:
    """Return a figure or table with the paragraph as its caption, and the paragraph's id as its own."""
    span, *text = paragraph["c"]
    (name, classes, attributes), number = span["c"]
    caption = [None, [{"t": "Plain", "c": number + text}]]
    return {"t": block["t"], "c": [[name, classes, attributes], caption, *block["c"][2:]]}


def _for_html(block: Node) -> list[Node]:
    """Put a table in a scrollable, keyboard-accessible region below its caption."""
    if _is_box(block):
        return [{"t": "Div", "c": [["", block["c"][0][1], [["role", "note"]]], block["c"][1][1:]]}]
    if block["t"] != "Table":
        return [block]
    (name, *_), caption, *rest = block["c"]
    label = text_of(caption[1][0]["c"][:1]).rstrip(".") if name else "Table"
    table = {"t": "Table", "c": [["", [], []], [None, []], *rest]}
    attributes = [["role", "region"], ["tabindex", "0"], ["aria-label", label]]
    region = {"t": "Div", "c": [["", ["scroll"], attributes], [table]]}
    return [{"t": "Figure", "c": [[name, ["table"], []], caption, [region]]}] if name else [region]


def _for_typst(block: Node) -> list[Node]:
    """Keep the classes of boxes and the alt text of images, which Pandoc's Typst writer drops."""
    if _is_box(block):
        kind = block["c"][0][1][0]
        _, first, *others = block["c"][1]
        return [_raw(f"#{kind}["), first, _raw("]["), *others, _raw("]")]
    if block["t"] != "Figure":
        return [block]
    attributes, caption, body = block["c"]
    image = body[0]["c"][0]
    _, alternative, (path, _) = image["c"]
    source = f"#image({json.dumps(path)}, alt: {json.dumps(text_of(alternative), ensure_ascii=False)})"
    plain = {"t": "Plain", "c": [{"t": "RawInline", "c": ["typst", source]}]}
    return [{"t": "Figure", "c": [attributes, caption, [plain]]}]


def _kept_with_next(blocks: list[Node]) -> list[Node]:
    """Keep a paragraph on one page with the start of the list or listing that it introduces."""
    result: list[Node] = []
    for block, following in zip_longest(blocks, blocks[1:]):
        introduces = following is not None and following["t"] in ("BulletList", "OrderedList", "CodeBlock")
        if block["t"] == "Para" and introduces:
            result += [_raw("#block(sticky: true)["), block, _raw("]")]
        else:
            result.append(block)
    return result


def _is_box(block: Node) -> bool:
    return block["t"] == "Div" and bool(BOXES.intersection(block["c"][0][1]))


def _raw(source: str) -> Node:
    return {"t": "RawBlock", "c": ["typst", source]}


def text_of(nodes: list[Node]) -> str:
    """Return the text of inline nodes, without markup."""
    return "".join(map(_inline_text, nodes))


def _inline_text(node: Node) -> str:
    kind = node["t"]
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    content = node["c"]
    if kind == "Str":
        return str(content)
    if kind in ("Code", "Math"):
        return str(content[1])
    # In these nodes, the text follows the attributes, the quotation type or the list of citations.
    return text_of(content[1] if kind in ("Span", "Link", "Image", "Quoted", "Cite") else content)
