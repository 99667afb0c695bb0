"use strict";
// One cell comes forward when its line or its row is pointed at; its name is a button that keeps it there. Each column's
// head sorts. Without this script the page says the same.
for (const part of document.querySelectorAll("[data-part]")) {
  const all = [...part.querySelectorAll("[data-cell]")];
  const buttons = [];
  let kept = null;

  const bring = cell => {
    part.classList.toggle("picked", cell !== null);
    for (const element of all) element.classList.toggle("on", element.dataset.cell === cell);
    if (cell === null) return;
    for (const line of part.querySelectorAll(`g[data-cell="${cell}"]`)) line.parentNode.append(line);
  };
  const keep = cell => {
    kept = kept === cell ? null : cell;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.closest("[data-cell]").dataset.cell === kept);
    }
    bring(kept);
  };

  for (const element of all) {
    element.addEventListener("pointerenter", () => bring(element.dataset.cell));
    element.addEventListener("pointerleave", () => bring(kept));
  }
  for (const name of part.querySelectorAll("tr[data-cell] > th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "pick";
    button.title = "bring its curve forward";
    button.setAttribute("aria-pressed", "false");
    button.append(...name.childNodes);
    button.addEventListener("click", () => keep(name.parentNode.dataset.cell));
    name.append(button);
    buttons.push(button);
  }
  part.addEventListener("keydown", event => {
    if (event.key === "Escape" && kept !== null) keep(kept);
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    if (head.classList.contains("drawn") || !head.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = row => row.cells[column].textContent.trim();
      const order = (a, b) => {
        const [x, y] = [parseFloat(a), parseFloat(b)];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a.localeCompare(b);
        return up ? x - y : y - x;
      };
      body.append(...[...body.rows].sort((a, b) => order(value(a), value(b))));
    });
  });
}
