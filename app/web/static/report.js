// The page of a report: tables that sort by their headings, and links that open what they lead to. Without it the tables are plain.
(() => {
  "use strict";

  const number = (text) => {
    const found = text.replace(/,/g, "").replace(/−/g, "-").match(/^\s*[<>≤≥×]?\s*([+-]?\d+(?:\.\d+)?)/);
    return found ? Number(found[1]) : null;
  };

  /* The text of a row under a heading. A cell may span several columns. */
  const under = (row, column) => {
    let at = 0;
    for (const cell of row.cells) {
      at += cell.colSpan;
      if (column < at) return cell.colSpan > 1 ? "" : cell.textContent.trim();
    }
    return "";
  };

  /* Rows without a figure come last, whichever way the others are sorted. */
  const compare = (one, two, numeric, sign) => {
    if (!numeric) return sign * one.localeCompare(two, undefined, { numeric: true });
    const [first, second] = [number(one), number(two)];
    if (first === null || second === null) return (first === null) - (second === null);
    return sign * (first - second);
  };

  const sort = (heading) => {
    const table = heading.closest("table");
    const column = heading.cellIndex;
    const descending = heading.getAttribute("aria-sort") === "ascending";
    const rows = [...table.tBodies[0].rows].map((row) => [under(row, column), row]);
    const numeric = rows.some(([text]) => number(text) !== null) && column > 0;
    rows.sort(([one], [two]) => compare(one, two, numeric, descending ? -1 : 1));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  const prepare = (root) => {
    for (const heading of root.querySelectorAll("table.report thead th")) {
      if (heading.querySelector("button") || heading.closest("table").tBodies[0].rows.length < 2) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
    }
  };

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  };

  const folds = () => [...document.querySelectorAll("#report details[id][open]")].map((fold) => fold.id);
  let open = [];

  document.addEventListener("click", (event) => {
    const button = event.target.closest("table.report thead button");
    if (button) sort(button.closest("th"));
  });
  window.addEventListener("hashchange", reveal);
  document.addEventListener("htmx:beforeSwap", () => { open = folds(); });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    prepare(document);
  });
  prepare(document);
  reveal();
})();
