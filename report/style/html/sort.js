// Sorts a leaderboard, or the table of a class, by the column whose head is pressed; pressed again, the other way round.
"use strict";

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function valueOf(cell) {
  const text = cell.textContent.trim();
  const plain = text
    .replace(/\s×\s10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)/, (_, minus, digits) =>
      "e" + (minus ? "-" : "") + [...digits].map((digit) => SUPERSCRIPTS.indexOf(digit)).join(""))
    .replace("−", "-")
    .replaceAll(",", "");
  const number = parseFloat(plain);
  return Number.isNaN(number) ? text : number;
}

// Numbers before texts, texts in the order of the alphabet; what is missing comes last, whichever way.
function compare(one, other, direction) {
  const missing = (value) => value === "" || value === "–";
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return direction * (typeof one === "number" ? one - other : one.localeCompare(other));
}

function sortBy(table, column, head) {
  const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[column]), row]);
  rows.sort((one, other) => compare(one[0], other[0], direction));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("[id$='leaderboard'] table, [id$='submissions'] table")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column, head));
    head.append(button);
  });
}
