"use strict";
(() => {
  const NARROW = 560, ROWS = 500, PRINT = 680;
  const CONFIG = {
    displaylogo: false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  };
  const byId = (id) => document.getElementById(id);
  const parse = (id) => JSON.parse(byId(id).textContent);
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };

  // ---------------------------------------------------------------- figures
  const drawn = new Map();
  const setPath = (target, path, value) => {
    const keys = path.split(".");
    const last = keys.pop();
    for (const key of keys) target = target[key] = target[key] || {};
    target[last] = value;
  };
  const layoutFor = (figure, narrow) => {
    const layout = JSON.parse(JSON.stringify(figure.layout));
    const changes = (layout.meta && layout.meta.narrow) || {};
    if (narrow) for (const path of Object.keys(changes)) setPath(layout, path, changes[path]);
    return layout;
  };
  const render = (id, width) => {
    const entry = drawn.get(id), box = byId(id);
    const space = width || box.clientWidth;
    entry.narrow = space < NARROW;
    const layout = layoutFor(entry.figure, entry.narrow);
    if (space) layout.width = space;
    return Plotly.react(box, entry.figure.data, layout, { ...CONFIG, toImageButtonOptions: { scale: 2, filename: `dcsim-${id}` } });
  };
  const draw = (id, figure) => {
    const holder = byId(`${id}-box`) || byId(id).closest("figure");
    holder.hidden = !figure;
    if (!figure) { drawn.delete(id); Plotly.purge(id); return; }
    drawn.set(id, { figure, narrow: null });
    render(id);
  };
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const [id, entry] of drawn) {
        const width = byId(id).clientWidth;
        if ((width < NARROW) !== entry.narrow) render(id);
        else Plotly.relayout(id, { width });
      }
    }, 100);
  });
  addEventListener("beforeprint", () => { for (const id of drawn.keys()) render(id, PRINT); });
  addEventListener("afterprint", () => { for (const id of drawn.keys()) render(id); });

  // ---------------------------------------------------------------- numbers
  const SCALES = {
    "B": [[1, 1, "B"], [1024, 1024, "KiB"], [2 ** 20, 2 ** 20, "MiB"], [2 ** 30, 2 ** 30, "GiB"], [2 ** 40, 2 ** 40, "TiB"]],
    "B/s": [[0, 1 / 8, "bit/s"], [125, 125, "kbit/s"], [125e3, 125e3, "Mbit/s"], [125e6, 125e6, "Gbit/s"]],
    "s": [[0, 1e-6, "µs"], [1e-3, 1e-3, "ms"], [1, 1, "s"], [600, 60, "min"], [7200, 3600, "h"]],
  };
  const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: Math.abs(value) < 1000 ? 3 : 21, maximumFractionDigits: 2 });
  const show = (value, unit) => {
    if (value === null) return "–";
    if (typeof value === "string") return value;
    const scale = SCALES[unit];
    if (!scale) return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : number(value);
    if (value === 0) return `0 ${unit === "B/s" ? "bit/s" : unit}`;
    let chosen = scale[0];
    for (const step of scale) if (Math.abs(value) >= step[0]) chosen = step;
    return `${number(value / chosen[1])} ${chosen[2]}`;
  };

  // ---------------------------------------------------------------- tables
  const compare = (a, b) => {
    if (a === b) return 0;
    if (a === null || a === "") return 1;
    if (b === null || b === "") return -1;
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const turn = (heading) => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    return falling ? -1 : 1;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const value = (row, place) => {
      const text = row.children[place].dataset.v, parsed = Number(text);
      return text === "nan" ? null : Number.isNaN(parsed) ? text : parsed;
    };
    for (const button of table.querySelectorAll("th button")) {
      button.addEventListener("click", () => {
        const heading = button.closest("th"), place = heading.cellIndex, way = turn(heading);
        const rows = [...table.tBodies[0].rows].sort((a, b) => way * compare(value(a, place), value(b, place)));
        table.tBodies[0].append(...rows);
      });
    }
  }
  const csv = (columns, rows) => {
    // A text that a spreadsheet would take for a formula is put behind a quote.
    const cell = (value) => {
      if (value === null) return "";
      if (typeof value === "number") return String(value);
      const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
      return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    };
    const lines = [columns.map((column) => column.name).join(",")];
    for (let row = 0; row < rows; row++) lines.push(columns.map((column) => cell(column.values[row])).join(","));
    return lines.join("\r\n");
  };
  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const tableBlock = (table, variant, open) => {
    const block = make("details");
    block.id = `table-${table.name}`;
    const summary = make("summary");
    summary.append(make("b", table.name), make("span", `${plural(table.total, "row")}. ${table.meaning}`, "note"));
    block.append(summary);
    const kept = table.total ? table.columns[0].values.length : 0;
    const build = () => {
      if (block.childElementCount > 1) return;
      const columns = table.columns.filter((column) => column.shown);
      const order = [...Array(kept).keys()];
      const grid = make("table"), body = make("tbody"), head = make("tr");
      grid.append(make("caption", table.total > Math.min(kept, ROWS) ? `The first ${Math.min(kept, ROWS).toLocaleString("en")} of ${plural(table.total, "row")}` : plural(table.total, "row")));
      const fill = () => {
        body.replaceChildren(...order.slice(0, ROWS).map((row) => {
          const line = make("tr");
          for (const column of columns) line.append(make("td", show(column.values[row], column.unit), column.text ? "" : "n"));
          return line;
        }));
      };
      for (const column of columns) {
        const heading = make("th", undefined, column.text ? "" : "n"), button = make("button", column.title);
        button.type = "button";
        heading.scope = "col";
        heading.title = column.meaning;
        heading.append(button);
        button.addEventListener("click", () => {
          const way = turn(heading);
          order.sort((a, b) => way * compare(column.values[a], column.values[b]) || a - b);
          fill();
        });
        head.append(heading);
      }
      const top = make("thead"), box = make("div", undefined, "scroll tall"), link = make("a");
      top.append(head);
      fill();
      grid.append(top, body);
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", `Table ${table.name}`);
      box.append(grid);
      link.textContent = kept < table.total ? `Download the first ${plural(kept, "row")} as CSV` : "Download as CSV";
      link.download = `${table.name}${variant ? `-${variant.replace(/[^\w.-]+/g, "-").slice(0, 80)}` : ""}.csv`;
      link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(csv(table.columns, kept))}`;
      block.append(link, box);
    };
    block.addEventListener("toggle", () => { if (block.open) build(); });
    if (open) { block.open = true; build(); }
    return block;
  };
  const unmovedTable = (groups) => {
    byId("unmoved").closest(".scroll").hidden = !groups.length;
    byId("all-moved").hidden = groups.length > 0;
    const head = make("tr"), top = make("thead"), body = make("tbody");
    for (const title of ["Outcome", "Guests", "Reason", "Names"]) {
      const heading = make("th", title, title === "Guests" ? "n" : "");
      heading.scope = "col";
      head.append(heading);
    }
    top.append(head);
    for (const group of groups) {
      const row = make("tr");
      const names = group.guests.join(", ") + (group.count > group.guests.length ? ", …" : "");
      row.append(make("td", group.outcome), make("td", String(group.count), "n"), make("td", group.reason || "–"), make("td", names));
      body.append(row);
    }
    byId("unmoved").replaceChildren(top, body);
  };

  // ---------------------------------------------------------------- one policy
  let chosen = null;
  const chooseGuest = () => {
    const entry = chosen.explained[byId("guest").selectedIndex];
    if (!entry) return;
    byId("explanation").replaceChildren(...entry.text.split("\n").map((line) => make("p", line, line.startsWith("What would help") ? "advice" : "")));
    draw("rounds", entry.figure);
  };
  const choose = (id) => {
    const open = new Set([...document.querySelectorAll("#table-list details[open]")].map((block) => block.id));
    chosen = parse(id);
    byId("about").textContent = [chosen.about, ...chosen.missing].join(" ");
    for (const place of document.querySelectorAll(".chosen")) place.textContent = chosen.name;
    for (const id of ["progress", "hosts", "gantt"]) draw(id, chosen.figures[id]);
    draw("utilisation", chosen.figures.utilisation);
    byId("unmoved-box").hidden = !chosen.figures.gantt;
    unmovedTable(chosen.unmoved);
    byId("explained-box").hidden = !chosen.explained.length;
    byId("guest").replaceChildren(...chosen.explained.map((entry) => make("option", entry.guest)));
    chooseGuest();
    byId("table-list").replaceChildren(...chosen.tables.filter((table) => table.total).map((table) => tableBlock(table, chosen.name, open.has(`table-${table.name}`))));
    byId("tables").hidden = !byId("table-list").childElementCount;
    byId("scenario").textContent = chosen.scenario;
    for (const curves of ["lost_work_s", "degraded10_s"]) emphasise(curves, chosen.name);
  };
  const emphasise = (id, name) => {
    const entry = drawn.get(id);
    if (!entry || entry.figure.data.length < 2) return;
    for (const trace of entry.figure.data) {
      const mine = trace.meta === name;
      trace.opacity = mine ? 1 : 0.6;
      trace.line.width = mine ? 3.5 : 1.75;
    }
    render(id);
  };

  const figures = parse("comparison");
  for (const id of Object.keys(figures)) draw(id, figures[id]);
  const choices = byId("choices") ? parse("choices") : {};
  for (const id of Object.keys(choices)) {
    const selects = [...document.querySelectorAll(`select[data-of="${id}"]`)];
    const show = () => {
      const entry = choices[id][selects.map((select) => select.value).join(".")];
      byId(`${id}-said`).replaceChildren(...entry.said.map((line) => make("li", line)));
      draw(id, entry.figure);
    };
    for (const select of selects) select.addEventListener("change", show);
    show();
  }
  if (byId("variant")) byId("variant").addEventListener("change", (event) => choose(event.target.value));
  if (byId("v0")) {
    byId("guest").addEventListener("change", chooseGuest);
    choose("v0");
  }
})();
