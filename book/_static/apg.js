/* Sorts and filters tables, enlarges figures, and says where a table goes on. Without it pages show the same. */
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

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".apg-table[data-filter]").forEach(makeFilterable);
    document.querySelectorAll(".apg-table thead th").forEach(makeSortable);
    document.querySelectorAll(".apg-table, .apg-drawing").forEach(watch);
    document.querySelectorAll(".apg-figure").forEach(makeEnlargeable);
    /* Equations are centred by their layout; on a narrow screen they begin at their left end. */
    document.querySelectorAll("div.math").forEach((equation) => (equation.tabIndex = 0));
  });
})();
