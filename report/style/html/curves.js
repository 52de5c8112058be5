// Replaces the static figure of the training curves by an interactive one: values under the pointer, runs that can
// be switched on and off, four quantities, linear or logarithmic scale. Without this script, and in print, the static
// figure stays.
//
// Written by hand, as no library fits. It would have to come with a Python package, since rendering a report downloads
// nothing: the package for dygraphs bundles a version from 2015, BokehJS alone takes 1.3 MB, plotly.js more than 4 MB.
// They are hard to use by keyboard or screen reader; here every control is a native form element.
"use strict";

const QUANTITIES = {
  validation_loss: "Validation loss",
  training_loss: "Training loss",
  validation_accuracy: "Validation accuracy",
  training_accuracy: "Training accuracy",
};
const COLOURS = 5; // style.css has this many
const DASHES = ["", "6 3", "2 2", "8 3 2 3"];
const SHOWN_AT_FIRST = 10; // of more runs, only the best few
const BEST = 5;
const WIDE_RANGE = 30; // losses spanning a larger factor start on a logarithmic scale
const HEIGHT = 340, LEFT = 58, RIGHT = 10, TOP = 10, BOTTOM = 40;

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function look(rank) {
  return { class: `curve-${rank % COLOURS}`, "stroke-dasharray": DASHES[Math.floor(rank / COLOURS) % DASHES.length] };
}

function formatted(value, quantity) {
  if (value === null || value === undefined) return "–";
  return quantity.endsWith("accuracy") ? `${(100 * value).toFixed(1)}%` : value.toPrecision(3);
}

function tickLabel(value, quantity) {
  const number = Number((quantity.endsWith("accuracy") ? 100 * value : value).toPrecision(3));
  return quantity.endsWith("accuracy") ? `${number}%` : String(number);
}

// Round numbers between two limits, about as many as asked for.
function linearTicks(low, high, about) {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

function logarithmicTicks(low, high) {
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
  const factors = to - from > 4 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = from; power <= to; power++) ticks.push(...factors.map((factor) => factor * 10 ** power));
  return ticks.filter((tick) => tick >= low && tick <= high);
}

function interactive(figure, { epochs, runs, seeds, left_out: leftOut, abbreviations }) {
  let width = 0;
  const shown = runs.map((run, rank) => runs.length <= SHOWN_AT_FIRST || rank < BEST);
  const losses = runs.filter((run) => !run.diverged).flatMap((run) => run.validation_loss).filter((loss) => loss > 0);
  const choice = html("select", {}, ...Object.entries(QUANTITIES).map(([key, name]) =>
    html("option", { value: key }, name)));
  const logarithmic = html("input", { type: "checkbox" });
  logarithmic.checked = Math.max(...losses) > WIDE_RANGE * Math.min(...losses);
  const slider = html("input",
    { id: "curves-epoch", type: "range", min: 0, max: epochs.length - 1, value: epochs.length - 1 });
  const epochText = html("output");
  const chart = svg("svg", { "aria-hidden": "true" });
  const entries = runs.map((run, rank) => {
    const box = html("input", { type: "checkbox" });
    box.checked = shown[rank];
    box.addEventListener("change", () => { shown[rank] = box.checked; draw(); });
    const swatch = svg("svg", { viewBox: "0 0 28 10", class: "swatch", "aria-hidden": "true" },
      svg("path", { d: "M0 5H28", ...look(rank) }));
    const value = html("td");
    return { box, value, row: html("tr", {}, html("td", {}, html("label", {}, box, swatch, run.label)), value) };
  });
  const switches = [["Show all", () => true], ["Show the best", (rank) => rank < BEST], ["Show none", () => false]]
    .map(([name, wanted]) => {
      const button = html("button", { type: "button" }, name);
      button.addEventListener("click", () => {
        entries.forEach(({ box }, rank) => { shown[rank] = box.checked = wanted(rank); });
        draw();
      });
      return button;
    });
  const heading = html("th", { scope: "col" });
  const about = [seeds > 1 ? `mean over ${seeds} seeds` : "", leftOut ? `${leftOut} more are not shown` : ""]
    .filter(Boolean).map((note) => ` (${note})`).join("");
  const legend = html("div", { class: "legend", tabindex: 0, role: "region", "aria-label": "Runs and their values" },
    html("table", {}, html("thead", {}, html("tr", {}, html("th", { scope: "col" }, `Run${about}`), heading)),
      html("tbody", {}, ...entries.map(({ row }) => row))));
  figure.prepend(html("div", { class: "curves" },
    html("div", { class: "controls" }, html("label", {}, "Quantity ", choice),
      html("label", {}, logarithmic, "Logarithmic scale"), ...switches),
    chart,
    html("div", { class: "epoch" }, html("label", { for: slider.id }, "Values after epoch"), epochText, slider),
    legend,
    html("p", {}, abbreviations)));
  figure.classList.add("interactive");

  const x = (i) => LEFT + (width - LEFT - RIGHT) * (epochs.length > 1 ? i / (epochs.length - 1) : 0.5);

  // The vertical axis spans what is shown and did not diverge.
  function axis(quantity) {
    const drawn = runs.filter((run, rank) => shown[rank]);
    const steady = drawn.filter((run) => !run.diverged);
    const isLog = logarithmic.checked && quantity.endsWith("loss");
    const values = (steady.length ? steady : drawn).flatMap((run) => run[quantity])
      .filter((value) => value !== null && (!isLog || value > 0));
    let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0.1, 1];
    if (low === high) [low, high] = isLog ? [low / 2, high * 2] : [low - 0.1, high + 0.1];
    const scale = isLog ? Math.log : (value) => value;
    const [from, to] = [scale(low), scale(high)];
    const y = (value) => {
      const part = (scale(value) - from) / (to - from);
      return TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(Math.max(part, 0), 1));
    };
    return { y, ticks: isLog ? logarithmicTicks(low, high) : linearTicks(low, high, 6) };
  }

  function draw() {
    const quantity = choice.value;
    width = chart.clientWidth;
    logarithmic.disabled = quantity.endsWith("accuracy");
    const { y, ticks } = axis(quantity);
    const across = linearTicks(epochs[0], epochs.at(-1), width / 90).map((tick) => epochs.indexOf(tick)).filter((i) => i >= 0);
    chart.replaceChildren(
      ...ticks.flatMap((tick) => [
        svg("path", { d: `M${LEFT} ${y(tick)}H${width - RIGHT}`, class: "grid" }),
        svg("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, tickLabel(tick, quantity))]),
      ...across.map((i) => svg("text", { x: x(i), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, String(epochs[i]))),
      svg("text", { x: (LEFT + width) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "Epoch"),
      // The best run comes last, in front of the others.
      ...runs.map((run, rank) => (shown[rank] ? curve(run, rank, quantity, y) : "")).reverse(),
      svg("path", { class: "cursor" }));
    point();
  }

  function curve(run, rank, quantity, y) {
    const points = run[quantity].flatMap((value, i) => (value === null ? [] : [`${x(i).toFixed(1)} ${y(value).toFixed(1)}`]));
    if (points.length === 0) return svg("g");
    const end = run.diverged || points.length === 1 ? points.slice(-1).map((at) =>
      svg("path", { ...look(rank), "stroke-dasharray": "", d: `M${at}m-4 -4l8 8m-8 0l8 -8` })) : [];
    return svg("g", {}, svg("path", { d: `M${points.join("L")}`, ...look(rank) }), ...end);
  }

  // Shows the values at the slider's epoch.
  function point() {
    const i = Number(slider.value), quantity = choice.value;
    epochText.value = epochs[i];
    slider.setAttribute("aria-valuetext", `epoch ${epochs[i]}`);
    heading.textContent = QUANTITIES[quantity];
    runs.forEach((run, rank) => { entries[rank].value.textContent = formatted(run[quantity][i], quantity); });
    chart.querySelector(".cursor").setAttribute("d", `M${x(i)} ${TOP}V${HEIGHT - BOTTOM}`);
  }

  function follow(event) {
    const box = chart.getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / (width - LEFT - RIGHT);
    slider.value = Math.round(part * (epochs.length - 1));
    point();
  }

  chart.addEventListener("pointermove", follow);
  chart.addEventListener("pointerdown", follow);
  slider.addEventListener("input", point);
  choice.addEventListener("change", draw);
  logarithmic.addEventListener("change", draw);
  new ResizeObserver(draw).observe(chart);
}

{
  const figure = document.getElementById("figure-training-curves");
  const data = document.getElementById("curves");
  if (figure && data) interactive(figure, JSON.parse(data.textContent));
}
