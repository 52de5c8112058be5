"""Make the exercise from its solution: `python exercises/make.py` writes exercise.py and exercise.ipynb
beside it.

In solution.py, a cell begins with `# %%`; from `# gap: CODE` to `# end` stands what students have to find,
CODE being what they get instead.
"""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = Path(__file__).parent
GAP = re.compile(r"^( *)# gap: (.*?)\n.*?# end\n", re.MULTILINE | re.DOTALL)


def main() -> None:
    script = exercise((FOLDER / "solution.py").read_text(encoding="utf-8"))
    (FOLDER / "exercise.py").write_text(script, encoding="utf-8")
    (FOLDER / "exercise.ipynb").write_text(notebook(script), encoding="utf-8")


def exercise(solution: str) -> str:
    """The solution with its gaps open."""

    def opened(match: re.Match[str]) -> str:
        indent, code = match.groups()
        return "".join(f"{indent}{line}\n" for line in [*code.split("; "), "# your code"])

    return GAP.sub(opened, solution)


def notebook(script: str) -> str:
    """The notebook of a script with cells."""
    cells = []
    for number, cell in enumerate(re.split(r"^# %%", script, flags=re.MULTILINE)[1:]):
        kind, _, text = cell.partition("\n")
        text = text.strip("\n")
        if "markdown" in kind:
            cells.append(
                new_markdown_cell(re.sub(r"^# ?", "", text, flags=re.MULTILINE), id=f"cell-{number}")
            )
        else:
            cells.append(new_code_cell(text, id=f"cell-{number}"))
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.writes(new_notebook(cells=cells, metadata=metadata)) + "\n"


if __name__ == "__main__":
    main()
