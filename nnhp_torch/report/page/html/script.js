"use strict";
// What a page does beside being read: a cell comes forward or goes, pictures show errors or accuracies, one seed or
// all, another cell to compare with; what lies under the pointer is told; heads sort; a command is copied. Without this
// script the page says the same.
const make = (name, properties) => Object.assign(document.createElement(name), properties);
const each = (root, selector, action) => root.querySelectorAll(selector).forEach(action);

for (const part of document.querySelectorAll("[data-part]")) {
  const cells = [...part.querySelectorAll("[data-cell]")];
  const buttons = [];
  let kept = null;

  const bring = cell => {
    part.classList.toggle("picked", cell !== null);
    for (const element of cells) element.classList.toggle("on", element.dataset.cell === cell);
    if (cell !== null) each(part, `g[data-cell="${cell}"]`, line => line.parentNode.append(line));
  };
  const keep = cell => {
    kept = kept === cell ? null : cell;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.closest("[data-cell]").dataset.cell === kept);
    }
    bring(kept);
  };
  for (const element of cells) {
    element.addEventListener("pointerenter", () => bring(element.dataset.cell));
    element.addEventListener("pointerleave", () => bring(kept));
  }
  each(part, "tr[data-cell] > th", name => {
    const button = make("button", { type: "button", className: "pick", title: "bring its curve forward" });
    button.setAttribute("aria-pressed", "false");
    button.append(...name.childNodes);
    button.addEventListener("click", () => keep(name.parentNode.dataset.cell));
    name.append(button);
    buttons.push(button);
  });
  part.addEventListener("keydown", event => {
    if (event.key === "Escape" && kept !== null) keep(kept);
  });

  if (part.querySelector(".chart g[data-cell]")) each(part, ".ends .row:has(.rest)", row => {
    const name = row.querySelector(".key");
    const box = make("input", { type: "checkbox", checked: true, title: "show its curve" });
    box.setAttribute("aria-label", `show the curve of ${name.textContent.trim()}`);
    box.addEventListener("change", () => {
      for (const element of cells) {
        if (element.dataset.cell === row.dataset.cell) element.classList.toggle("gone", !box.checked);
      }
    });
    name.prepend(box);
    row.dataset.said = row.querySelector(".rest").textContent;
  });
  each(part, ".controls [hidden]", control => { control.hidden = false; });
  part.addEventListener("change", ({ target }) => {
    if (target.name === "Show") {
      each(part, "[data-other]", text => {
        [text.textContent, text.dataset.other] = [text.dataset.other, text.textContent];
      });
    } else if (target.name === "seeds") {
      part.classList.toggle("medians", target.value === "medians");
      part.classList.toggle("one", /\d/.test(target.value));
      each(part, "[data-seed]", spot => spot.classList.toggle("chosen", spot.dataset.seed === target.value));
      nameEnds(part);
    } else if (target.name === "base") {
      const base = target.value && part.querySelector(`.ends [data-cell="${target.value}"]`);
      part.classList.toggle("based", Boolean(base));
      each(part, ".against", text => {
        text.dataset.said ??= text.textContent;
        text.textContent = base ? `, a dotted line the mean of ${target.selectedOptions[0].text}` : text.dataset.said;
      });
      each(part, ".ends .row:has(.rest)", row => {
        const line = row.querySelector(".of-best");
        if (line) {
          line.dataset.d ??= line.getAttribute("d");
          line.setAttribute("d", base ? `M${base.dataset.mean} 0v1000` : line.dataset.d);
        }
        const compared = JSON.parse(row.dataset.against ?? "[]");
        row.querySelector(".rest").textContent = (base && compared[target.value]) || row.dataset.said;
      });
    }
  });
  each(part, ".chart[data-scale]", chart => tell(chart, part, bring, () => bring(kept)));
}

// The points of a path, from "M10 20l0 0 5-3": a start, then steps.
function points(d) {
  const found = [];
  let [x, y] = [0, 0];
  for (const line of d.split("M").slice(1)) {
    const [, a, b, steps] = /^(-?\d+) (-?\d+)l?(.*)$/.exec(line);
    [x, y] = [+a, +b];
    const moves = steps.match(/-?\d+/g) ?? [];
    for (let i = 0; i < moves.length; i += 2) found.push([x += +moves[i], y += +moves[i + 1]]);
  }
  return found;
}

// The names at the curves' ends: of the seed that is chosen, else of the medians. Each keeps its distance to the next.
function nameEnds(part) {
  const least = 5.2;
  each(part, ".chart.named", chart => {
    const ends = [...chart.querySelectorAll(".end")].map(name => {
      name.dataset.y ??= name.style.getPropertyValue("--y");
      const [, y] = seen(chart.querySelector(`g[data-cell="${name.dataset.cell}"]`)).at(-1) ?? [];
      return { name, y: part.classList.contains("one") && y !== undefined ? y / 10 : parseFloat(name.dataset.y) };
    }).sort((a, b) => a.y - b.y);
    ends.forEach((end, i) => { if (i) end.y = Math.max(end.y, ends[i - 1].y + least); });
    ends.reverse().forEach((end, i) => { end.y = Math.min(end.y, i ? ends[i - 1].y - least : 100); });
    for (const { name, y } of ends) name.style.setProperty("--y", `${y}%`);
  });
}

// Where the line of a cell that is seen goes through: the chosen seed's, or the median.
const seen = line => points((line.querySelector(".seed.chosen") ?? line.querySelector(".median")).getAttribute("d"));

// Names the curve nearest to the pointer, and says what it has reached there.
function tell(chart, part, bring, leave) {
  const [low, high, log, unit] = chart.dataset.scale.split(" ");
  const tip = make("div", { className: "tip", hidden: true });
  const lines = [...chart.querySelectorAll("g[data-name]")];
  chart.append(tip);
  chart.addEventListener("pointerleave", () => { tip.hidden = true; leave(); });
  chart.addEventListener("pointermove", event => {
    const frame = chart.querySelector("svg").getBoundingClientRect();
    const [x, y] = [1000 * (event.clientX - frame.left) / frame.width, 1000 * (event.clientY - frame.top) / frame.height];
    const accuracy = part.querySelector("[value=accuracy]:checked") !== null;
    let [best, near] = [null, 60];
    for (const line of lines) {
      if (line.classList.contains("gone")) continue;
      const stretch = new DOMMatrix(getComputedStyle(line).transform).a;
      const point = seen(line).reduce((a, b) => Math.abs(b[0] - x / stretch) < Math.abs(a[0] - x / stretch) ? b : a, [-9e9, 0]);
      const away = Math.abs((accuracy ? 1000 - point[1] : point[1]) - y) + Math.abs(point[0] * stretch - x);
      if (away < near) [best, near] = [{ line, point }, away];
    }
    tip.hidden = best === null;
    if (best === null) return leave();
    const place = 1 - best.point[1] / 1000;
    const value = log ? low * (high / low) ** place : +low + (high - low) * place;
    const epoch = Math.round(best.point[0] * chart.dataset.epochs / 1000);
    const shown = accuracy ? (100 - value).toFixed(2) : value.toPrecision(3);
    tip.textContent = `${best.line.dataset.name} · epoch ${epoch} · ${shown}${unit}`;
    tip.style.left = `${x / 10}%`;
    tip.style.top = `${y / 10}%`;
    tip.classList.toggle("left", x > 600);
    bring(best.line.dataset.cell);
  });
}

// The student's page: a guess opens a section's answer and counts; one seed tells the study as it alone would have.
const lessons = [...document.querySelectorAll(".lesson")];
if (lessons.length) {
  const score = document.getElementById("score");
  const [one, all, told, show] = ["one", "all", "told", "show"].map(id => document.getElementById(id));
  let [points, guessed, seed] = [0, 0, -1];
  const halves = number => `${Math.floor(number) || (number ? "" : 0)}${number % 1 ? "½" : ""}`;
  const count = () => {
    const left = document.querySelectorAll(".lesson.guessing").length;
    score.textContent = [guessed && `Score: ${halves(points)} of ${guessed}`, left && `${left} guesses to go`].filter(Boolean).join(", ");
    if (show) show.disabled = !left;
  };
  const open = lesson => {
    lesson.classList.remove("guessing");
    document.querySelector(`.tile[href="#${lesson.id}"]`)?.classList.remove("unguessed");
    each(lesson, ".guess button", button => { button.disabled = button.getAttribute("aria-pressed") !== "true"; });
  };
  each(document, ".bar-of-guesses, .rule", part => { part.hidden = false; });
  for (const lesson of lessons) {
    const guess = lesson.querySelector(".guess");
    const answer = lesson.querySelector(".answer");
    guess.hidden = false;
    lesson.classList.add("guessing");
    document.querySelector(`.tile[href="#${lesson.id}"]`)?.classList.add("unguessed");
    guess.addEventListener("click", ({ target }) => {
      if (target.type !== "button" || !lesson.classList.contains("guessing")) return;
      [points, guessed] = [points + +target.dataset.worth, guessed + 1];
      target.setAttribute("aria-pressed", "true");
      open(lesson);
      answer.querySelector(".guessed").textContent =
        `You said ${target.textContent}. ${target.dataset.said} It counts ${halves(+target.dataset.worth)}.`;
      count();
    });
  }
  count();
  show?.addEventListener("click", () => { lessons.forEach(open); count(); });
  const tell = () => {
    const seeds = JSON.parse(one.dataset.seeds);
    document.body.classList.toggle("one", seed >= 0);
    each(document, "[data-seed]", spot => spot.classList.toggle("chosen", +spot.dataset.seed === seed));
    nameEnds(document.body);
    const lines = [...document.querySelectorAll(".of-one")];
    for (const line of lines) {
      line.textContent = JSON.parse(line.dataset.one)[seed] ?? "";
      line.classList.toggle("same", line.textContent.endsWith("the winner of all seeds."));
    }
    const same = lines.filter(line => line.classList.contains("same")).length;
    told.textContent = seed < 0 ? "" : `${seeds[seed]} alone: the same winner in ${same} of ${lines.length} sweeps`;
    all.disabled = seed < 0;
    one.textContent = seed < 0 ? "Show one seed" : "Show another seed";
  };
  one?.addEventListener("click", () => { seed = (seed + 1) % JSON.parse(one.dataset.seeds).length; tell(); });
  all?.addEventListener("click", () => { seed = -1; tell(); });
}

each(document, "pre > code", code => {
  const button = make("button", { type: "button", className: "copy", textContent: "copy", title: "copy the command" });
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(code);
    try { await navigator.clipboard.writeText(code.textContent); } catch { document.execCommand("copy"); }
    button.textContent = "copied";
  });
  code.parentNode.append(button);
});

each(document, "table.sortable", table => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (table.classList.contains("trials")) {  // on a narrow screen a row is a list of names and values
    for (const row of body.rows) heads.forEach((head, i) => { row.cells[i].dataset.name = head.textContent; });
    table.classList.add("stacks");
  }
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const button = make("button", { type: "button" });
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
});
