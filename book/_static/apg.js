/* Sorts and filters tables, enlarges figures, makes their points say their values, and says where a table goes on. Without it pages show the same. */
(() => {
  const element = (tag, attributes, text) => Object.assign(document.createElement(tag), attributes, { textContent: text });

  /* A number that a cell begins with, such as "−0.09 ± 0.08", "1,024" or "83 %"; NaN where there is none. */
  const number = (text) => parseFloat(text.trim().replace("−", "-").replace(/(\d),(?=\d{3})/g, "$1"));

  function compare(a, b) {
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1; // what is no number comes last
    return Number.isNaN(x) ? a.localeCompare(b, "en") : x - y;
  }

  function sort(head) {
    const column = head.cellIndex;
    const body = head.closest("table").tBodies[0];
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const text = (row) => row.cells[column].textContent;
    const [empty, full] = [[], []];
    for (const row of body.rows) (text(row).trim() ? full : empty).push(row);
    full.sort((a, b) => compare(text(a), text(b)) * (direction === "ascending" ? 1 : -1));
    body.append(...full, ...empty);
  }

  function makeSortable(head) {
    const button = element("button", { type: "button", className: "apg-sort", title: "Sort" });
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }

  /* What a row is filtered by: the word of a verdict, without its sign and marks; else the text of the cell. */
  function choice(cell) {
    const verdict = cell.querySelector(".apg-verdict");
    return verdict ? verdict.textContent.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "") : cell.textContent.trim();
  }

  /* One list per column that a table can be filtered by, and how many of its rows are shown. */
  function makeFilterable(region) {
    const heads = [...region.querySelectorAll("thead th")].map((head) => head.textContent);
    const rows = [...region.querySelectorAll("tbody tr")];
    const bar = element("div", { className: "apg-filter" });
    const count = element("span");
    count.setAttribute("role", "status");
    const lists = region.dataset.filter.split("|").map((name) => {
      const value = (row) => choice(row.cells[heads.indexOf(name)]);
      const list = element("select", { name });
      list.append(new Option("all", ""), ...[...new Set(rows.map(value))].map((text) => new Option(text)));
      list.addEventListener("change", show);
      const label = element("label", {}, `${name} `);
      label.append(list);
      bar.append(label);
      return { list, value };
    });
    function show() {
      for (const row of rows) row.hidden = lists.some(({ list, value }) => list.value && list.value !== value(row));
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines`;
    }
    bar.append(count);
    region.before(bar);
    show();
  }

  /* Marks a region that goes on to the right, and whether it is wider than the text. */
  function watch(region) {
    const look = () => {
      region.classList.toggle("apg-more", region.scrollLeft + region.clientWidth < region.scrollWidth - 2);
    };
    if (region.scrollWidth > region.clientWidth + 2) region.classList.add("apg-wide");
    region.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    look();
  }

  function makeEnlargeable(figure) {
    const drawing = figure.querySelector(".apg-drawing");
    const button = element("button", { type: "button", className: "apg-enlarge" }, "Enlarge");
    const open = () => {
      const dialog = element("dialog", { className: "apg-dialog" });
      dialog.setAttribute("aria-label", drawing.getAttribute("aria-label"));
      const close = element("button", { type: "button", className: "apg-close" }, "Close");
      close.addEventListener("click", () => dialog.close());
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      dialog.addEventListener("close", () => dialog.remove());
      dialog.append(close, drawing.firstElementChild.cloneNode(true));
      document.body.append(dialog);
      dialog.showModal();
    };
    button.addEventListener("click", open);
    drawing.addEventListener("click", open);
    figure.querySelector("figcaption").append(" ", button);
  }

  /* Plotly lies beside this file. It is loaded once, when a reader first asks for a figure of it. */
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  let plotly;
  function loadPlotly() {
    plotly ??= new Promise((resolve, reject) => {
      const script = element("script", { src: `${folder}plotly.min.js`, onload: resolve, onerror: reject });
      document.head.append(script);
    });
    return plotly;
  }

  /* A layout in the colours and the font of the page. */
  function inPageColours(layout) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--pst-color-${name}`).trim();
    const lines = { gridcolor: colour("border"), zerolinecolor: colour("text-muted"), linecolor: colour("border") };
    const axes = Object.keys(layout).filter((name) => /^[xy]axis/.test(name));
    const font = { ...layout.font, color: colour("text-base"), family: getComputedStyle(document.body).fontFamily };
    return {
      ...layout,
      ...Object.fromEntries(axes.map((name) => [name, { ...layout[name], ...lines }])),
      font,
      hoverlabel: { ...layout.hoverlabel, bgcolor: colour("surface"), bordercolor: colour("text-muted"), font },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
    };
  }

  /* A button that swaps a picture for plotly's figure, whose points say their values, and back. */
  function makeHoverable(figure) {
    const { data, layout } = JSON.parse(figure.querySelector(".apg-points").textContent);
    const drawing = figure.querySelector(".apg-drawing");
    const button = element("button", { type: "button", className: "apg-hover" }, "Show values on hover");
    const scroll = element("div", { className: "apg-plot", tabIndex: 0, hidden: true });
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", drawing.getAttribute("aria-label"));
    const plot = element("div");
    scroll.append(plot);
    drawing.after(scroll);
    const draw = () => Plotly.react(plot, data, inPageColours(layout), { responsive: true, displayModeBar: false });
    button.addEventListener("click", async () => {
      button.disabled = true;
      button.textContent = "Loading";
      await loadPlotly();
      button.disabled = false;
      scroll.hidden = !scroll.hidden;
      drawing.hidden = !scroll.hidden;
      button.textContent = scroll.hidden ? "Show values on hover" : "Show the picture";
      if (scroll.hidden) return;
      await draw();
      if (plot.dataset.ready) return;
      plot.dataset.ready = "yes";
      /* A point may lead to a place of the page. */
      plot.on("plotly_click", ({ points }) => points[0].customdata && (location.hash = points[0].customdata));
      new MutationObserver(() => scroll.hidden || draw()).observe(document.documentElement, {
        attributeFilter: ["data-theme"],
      });
    });
    figure.querySelector("figcaption").append(" ", button);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".apg-table[data-filter]").forEach(makeFilterable);
    document.querySelectorAll(".apg-table thead th").forEach(makeSortable);
    document.querySelectorAll(".apg-table, .apg-drawing").forEach(watch);
    document.querySelectorAll(".apg-figure").forEach(makeEnlargeable);
    document.querySelectorAll(".apg-figure:has(.apg-points)").forEach(makeHoverable);
    /* Equations are centred by their layout; on a narrow screen they begin at their left end. */
    document.querySelectorAll("div.math").forEach((equation) => (equation.tabIndex = 0));
  });
})();
