// Draws the charts in the page's colours, sorts its tables and writes their numbers to files.
(() => {
  "use strict";
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const template = read("chart-template");
  const plots = [...document.querySelectorAll("[data-chart]")];
  const told = new Map(plots.map((plot) => [plot.dataset.chart, read(`${plot.dataset.chart}-told`)]));
  const PRINTED = 680, MAP = 520; // pixels, the widths of a page's text and of a map there
  const BESIDE = 72; // pixels beside the area of a map, as in the style sheet
  const coarse = matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", topojsonURL: "",
    showTips: false, displayModeBar: coarse ? false : "hover",
    modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
  };

  const number = (value) => value === null || typeof value === "number";
  // Values with every var(--name) as the colour it stands for now.
  function coloured(value, style) {
    if (typeof value === "string") {
      return value.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
    }
    if (Array.isArray(value)) {
      return number(value[0]) && number(value.at(-1)) ? value : value.map((part) => coloured(part, style));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, coloured(part, style)]));
    }
    return value;
  }

  function figure(name) {
    const style = getComputedStyle(root), { data, layout } = told.get(name);
    const look = { ...coloured(layout, style), template: coloured(template, style), uirevision: "kept" };
    if (coarse) look.dragmode = false; // a finger on a chart scrolls the page
    return { data: coloured(data, style), layout: look };
  }

  function draw(size) {
    return Promise.all(plots.map((plot) => {
      const { data, layout } = figure(plot.dataset.chart);
      if (size) Object.assign(layout, size(plot));
      return Plotly.react(plot, data, layout, config);
    }));
  }

  const printed = (plot) => {
    const { ratio, height } = plot.dataset, width = ratio ? MAP : PRINTED;
    return { autosize: false, width, height: Number(height) + (ratio ? ratio * (width - BESIDE) : 0) };
  };
  let paper = false;
  function printing(on) {
    if (on === paper) return;
    paper = on;
    root.toggleAttribute("data-light", on);
    draw(on ? printed : null);
  }
  addEventListener("beforeprint", () => printing(true));
  addEventListener("afterprint", () => printing(false));
  matchMedia("print").addEventListener("change", (media) => printing(media.matches));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paper || draw());

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `${document.body.dataset.name}-${name}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  const say = (words) => { document.getElementById("said").textContent = words; };
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((row) => row.map(field).join(",")).join("\n") + "\n";

  function numbers(name) {
    const { data, numbers } = told.get(name);
    if (numbers.names) return csv([numbers.names, ...(numbers.columns[0] || []).map((_, k) => numbers.columns.map((c) => c[k]))]);
    const { x, y, [numbers.key]: cells } = data[numbers.trace];
    const said = (cell) => numbers.words.length && cell !== null ? numbers.words[cell] : cell;
    return csv([[numbers.corner, ...x], ...cells.map((row, k) => [y[k], ...row.map(said)])]);
  }

  async function svg(name) {
    const plot = plots.find((one) => one.dataset.chart === name);
    const before = root.hasAttribute("data-light");
    root.toggleAttribute("data-light", true); // a paper is light
    const drawn = figure(name);
    root.toggleAttribute("data-light", before);
    const size = { width: plot.offsetWidth, height: plot.offsetHeight };
    await Plotly.downloadImage(drawn, { format: "svg", ...size, filename: `${document.body.dataset.name}-${name}` });
  }

  const key = (cell) => cell.dataset.key ?? cell.textContent.trim();
  function sort(header) {
    const table = header.closest("table"), column = header.cellIndex, body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
    const number = rows.every(({ key }) => key === "" || !Number.isNaN(Number(key)));
    const now = header.getAttribute("aria-sort");
    const down = now === "none" ? number && column > 0 : now === "ascending";
    const compare = number ? (a, b) => a - b : (a, b) => a.localeCompare(b, "en", { numeric: true });
    rows.sort((a, b) => (a.key === "") - (b.key === "") || (down ? compare(b.key, a.key) : compare(a.key, b.key)));
    body.append(...rows.map(({ row }) => row));
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    say(`Sorted by ${header.textContent.trim()}, ${down ? "largest" : "smallest"} first`);
  }
  function rows(name) {
    const table = document.querySelector(`[data-table="${name}"]`);
    return csv([...table.rows].map((row, k) => [...row.cells].map((cell) => k ? key(cell) : cell.textContent.trim())));
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    const { csv, svg: picture, rows: table } = button.dataset;
    if (csv) save(`${csv}.csv`, "text/csv", numbers(csv));
    else if (picture) svg(picture);
    else if (table) save(`${table}.csv`, "text/csv", rows(table));
    else if (button.parentElement.hasAttribute("aria-sort")) sort(button.parentElement);
  });

  draw().then(() => root.setAttribute("data-drawn", ""));
})();
