// Sorting, filtering and sharing views of one board. Every number was made in Python; nothing is computed here.
(function () {
  "use strict";
  var CAP = 100, MINUS = "\u2212", SECTIONS = { c: "reference", r: "ranked", b: "below_utility", n: "not_unlearned", i: "incomplete" };
  var table = document.getElementById("board");
  if (!table) return;
  var bodies = {}, rows = [], heads = Array.prototype.slice.call(table.tHead.rows[1].cells);
  Array.prototype.forEach.call(table.tBodies, function (body) { bodies[body.getAttribute("data-s")] = body; });
  Array.prototype.forEach.call(table.querySelectorAll("tbody tr[id]"), function (row, place) {
    var gates = row.getAttribute("data-g").split("|");
    rows.push({ el: row, place: place, id: row.id.slice(2), gates: gates, home: gates[defaultGate()], text: row.cells[1].textContent.toLowerCase() });
  });
  var byId = Object.create(null);
  rows.forEach(function (row) { byId[row.id] = row; });
  function $(id) { return document.getElementById(id); }
  function defaultGate() { var picked = $("gate").querySelector("option[selected]"); return picked ? picked.index : 0; }
  var initial = { sort: "", dir: "", q: "", status: "", family: "", gate: String(defaultGate()), cols: "", sel: "", all: "" };
  var state = Object.assign({}, initial);

  // What a cell is sorted by: a number if it begins with one, else its words; a gap is last both ways.
  function key(cell, numeric) {
    var text = cell.textContent.trim().replace(new RegExp(MINUS, "g"), "-");
    var bound = /^(≥|≤|>)/.exec(text);
    var number = /^[≥≤>]?\s*([+-]?[\d,]*\.?\d+)/.exec(text);
    if (cell.querySelector(".word") || text === "\u2013" || text === "") return null;
    if (number && numeric) return { value: parseFloat(number[1].replace(/,/g, "")), bound: bound ? (bound[1] === "≤" ? -1 : 1) : 0 };
    return { value: text.toLowerCase(), bound: 0 };
  }
  function numeric(index) { return index === 0 || heads[index].classList.contains("n"); }
  function column(name) { return heads.findIndex(function (head) { return slug(head) === name; }); }
  function slug(head) { return head.textContent.trim().toLowerCase().replace(/[^a-z0-9*()]+/g, "-").replace(/^-|-$/g, ""); }
  function at(row, index) {
    if (row.keys[index] === undefined) row.keys[index] = key(row.el.cells[index], numeric(index));
    return row.keys[index];
  }
  function compare(index, sign) {
    return function (one, other) {
      var a = at(one, index), b = at(other, index);
      if (a === null || b === null) return a === b ? one.place - other.place : a === null ? 1 : -1;
      if (a.value !== b.value) return (a.value < b.value ? -1 : 1) * sign;
      if (a.bound !== b.bound) return (a.bound - b.bound) * sign;
      return one.place - other.place;
    };
  }
  // Python's own order under the board's gate; under another K*, with bounds and gaps last.
  function placed(one, other) { return one.place - other.place; }
  function byStar(one, other) {
    var a = at(one, 2), b = at(other, 2), gap = !a - !b || (a && !!a.bound - !!b.bound);
    return gap || (a && a.value - b.value) || placed(one, other);
  }
  rows.forEach(function (row) { row.keys = []; });

  function draw(announce) {
    var gate = parseInt(state.gate, 10), index = state.sort ? column(state.sort) : -1;
    rows.forEach(function (row) { rank(row, row.gates[gate]); });
    var sorted = index >= 0 ? compare(index, state.dir === "desc" ? -1 : 1) : gate === defaultGate() ? placed : byStar;
    var order = rows.slice().sort(function (a, b) { return a.home.charAt(0) === "c" && b.home.charAt(0) === "c" ? placed(a, b) : sorted(a, b); });
    var groups = {}, shown = 0, visible = 0, words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    order.forEach(function (row) {
      var section = SECTIONS[row.gates[gate].charAt(0)];
      var keep = row.target || section === "reference" || (words.every(function (word) { return row.text.indexOf(word) >= 0; }) &&
        (!state.status || cellText(row, "status") === state.status) && (!state.family || row.family.indexOf(state.family + ",") === 0));
      if (keep && section !== "reference") shown++;
      var cut = keep && section !== "reference" && shown > CAP && !state.all && !row.target;
      row.el.classList.toggle("cut", cut);
      row.el.hidden = !keep;
      if (keep && !cut) visible++;
      (groups[section] = groups[section] || []).push(row);
    });
    Object.keys(bodies).forEach(function (name) {
      var body = bodies[name], mine = groups[name] || [];
      mine.forEach(function (row) { body.appendChild(row.el); });
      body.hidden = !mine.some(function (row) { return !row.el.hidden; });
      body.classList.toggle("cut", !mine.some(function (row) { return !row.el.hidden && !row.el.classList.contains("cut"); }));
    });
    var below = bodies.below_utility.querySelector("th span");
    below.textContent = below.textContent.replace(/u < .*?\)/, "u < " + $("gate").options[gate].text + ")");
    var total = rows.filter(function (row) { return row.home.charAt(0) !== "c"; }).length;
    $("count").textContent = shown ? shown + " of " + total + " shown" : "0 of " + total + " shown: nothing matches. ";
    if (!shown && total) { var reset = document.createElement("button"); reset.type = "button"; reset.textContent = "Reset"; reset.addEventListener("click", function () { change(Object.assign({}, initial, { cols: state.cols, sel: state.sel })); }); $("count").appendChild(reset); }
    var more = $("all");
    more.hidden = !(shown > CAP && !state.all);
    more.textContent = "Show all " + shown;
    heads.forEach(function (head, at) {
      if (at === index) head.setAttribute("aria-sort", state.dir === "desc" ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
    });
    $("sorted").setAttribute("aria-live", announce ? "polite" : "off");
    $("sorted").textContent = index < 0 ? (gate !== defaultGate() ? "Ranks among entries that keep the chosen utility." : "") :
      "Sorted by " + heads[index].textContent.trim() + ", " + (state.dir === "desc" ? "descending" : "ascending") + "; ranks are by K*.";
  }
  function cellText(row, name) { var cell = row.el.cells[column(name)]; var link = cell.querySelector("a"); return (link || cell).textContent.trim(); }
  function rank(row, standing) {
    var cell = row.el.cells[0], tied = standing.slice(-1) === "*", words = standing.slice(1).replace("*", "").replace("-", "\u2013") || "\u2013";
    if (cell.getAttribute("data-now") === standing) return;
    cell.setAttribute("data-now", standing);
    row.keys[0] = undefined;
    cell.textContent = words;
    if (tied) { var hidden = document.createElement("span"); hidden.className = "visually-hidden"; hidden.textContent = " tied with best"; cell.appendChild(hidden); }
    row.el.classList.toggle("tied", tied);
  }
  rows.forEach(function (row) { row.family = row.el.cells[1].querySelector("small").textContent.trim() + ","; });

  // The view stands behind the hash, so that it can be copied and the back button undoes it.
  function hash() {
    var parts = Object.keys(initial).filter(function (name) { return state[name] !== initial[name]; }).map(function (name) { return name + "=" + encodeURIComponent(state[name]); });
    return parts.length ? "#?" + parts.join("&") : "";
  }
  function read() {
    var found = Object.assign({}, initial), text = location.hash;
    if (/^#(board$|e-)/.test(text)) return state;
    if (text.slice(0, 2) === "#?") text.slice(2).split("&").forEach(function (part) {
      var at = part.indexOf("="), name = part.slice(0, at), value = "";
      try { value = decodeURIComponent(part.slice(at + 1)); } catch (_) { return; }
      if (at > 0 && Object.keys(initial).indexOf(name) >= 0 && valid(name, value)) found[name] = value;
    });
    return found;
  }
  function valid(name, value) {
    if (name === "sort") return column(value) >= 0;
    if (name === "dir") return value === "asc" || value === "desc";
    if (name === "status" || name === "family" || name === "gate") return Array.prototype.some.call($(name).options, function (option) { return option.value === value; });
    if (name === "cols") return value.split(",").every(function (key) { return boxes().some(function (box) { return box.value === key; }); });
    if (name === "sel") return value.split(",").length < 3 && value.split(",").every(function (id) { return byId[id]; });
    return name === "all" ? value === "1" : value.length <= 200;
  }
  function boxes() { return Array.prototype.slice.call(document.querySelectorAll(".columns input")); }
  function show(announce) {
    $("find").value = state.q; $("status").value = state.status; $("family").value = state.family; $("gate").value = state.gate;
    var cols = state.cols ? state.cols.split(",") : [];
    boxes().forEach(function (box) { box.checked = cols.indexOf(box.value) >= 0; table.classList.toggle("show-" + box.value, box.checked); });
    var picked = state.sel ? state.sel.split(",") : [];
    rows.forEach(function (row) { if (row.box) { row.box.checked = picked.indexOf(row.id) >= 0; row.el.classList.toggle("picked", row.box.checked); } });
    $("compare").textContent = "Compare" + (picked.length ? " " + picked.length : "");
    $("compare").href = $("compare").href.split("#")[0] + (picked.length === 2 ? "#?a=" + picked[0] + "&b=" + picked[1] : "");
    draw(announce);
  }
  function change(next, typing) {
    state = Object.assign({}, state, next);
    history[typing ? "replaceState" : "pushState"](null, "", hash() || location.pathname + location.search);
    show(true);
  }
  function arrive() {
    var target = /^#e-(.+)$/.exec(location.hash);
    rows.forEach(function (row) { row.target = !!target && row.id === target[1]; row.el.classList.toggle("target", row.target); });
    state = read();
    show(false);
    if (target && byId[target[1]]) byId[target[1]].el.scrollIntoView({ block: "center" });
  }

  heads.forEach(function (head, at) {
    if (head.hasAttribute("data-fixed")) return;
    var button = document.createElement("button"), down = /[↑]/.test(head.textContent);
    button.type = "button"; button.className = "sort";
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click", function () {
      var name = slug(head), first = down ? "desc" : "asc";
      change(state.sort !== name ? { sort: name, dir: first } : state.dir === first ? { dir: first === "asc" ? "desc" : "asc" } : { sort: "", dir: "" });
    });
  });
  rows.forEach(function (row) {
    if (row.home.charAt(0) === "c") return;
    var box = document.createElement("input"), name = row.el.cells[1];
    box.type = "checkbox"; box.className = "pick"; box.setAttribute("aria-label", "Compare " + name.querySelector("a").textContent);
    row.box = box;
    name.insertBefore(box, name.firstChild);
    box.addEventListener("change", function () {
      var picked = (state.sel ? state.sel.split(",") : []).filter(function (id) { return id !== row.id; });
      if (box.checked) picked.push(row.id);
      change({ sel: picked.slice(-2).join(",") });
    });
  });
  $("find").addEventListener("input", function () { change({ q: this.value }, true); });
  ["status", "family", "gate"].forEach(function (name) { $(name).addEventListener("change", function () { var next = {}; next[name] = this.value; change(next); }); });
  boxes().forEach(function (box) { box.addEventListener("change", function () { change({ cols: boxes().filter(function (one) { return one.checked; }).map(function (one) { return one.value; }).join(",") }); }); });
  $("all").addEventListener("click", function () { change({ all: "1" }); });
  $("link").addEventListener("click", function () {
    var button = this, address = location.href;
    function said(words) { button.textContent = words; setTimeout(function () { button.textContent = "Copy link"; }, 2000); }
    if (navigator.clipboard) navigator.clipboard.writeText(address).then(function () { said("Copied"); }, function () { said("Not allowed here"); });
    else said("Not possible here");
  });

  // What is on the screen, as a file.
  function cells(row) {
    return heads.map(function (head, at) { return at; }).filter(function (at) { return !heads[at].hasAttribute("data-fixed") && getComputedStyle(heads[at]).display !== "none"; })
      .map(function (at) { return plain(row.cells[at]); });
  }
  function plain(cell) {
    var copy = cell.cloneNode(true);
    Array.prototype.forEach.call(copy.querySelectorAll(".visually-hidden,input,svg"), function (node) { node.remove(); });
    Array.prototype.forEach.call(copy.querySelectorAll("small"), function (node) { node.textContent = " " + node.textContent; });
    return copy.textContent.replace(/\s+/g, " ").trim().replace(new RegExp(MINUS, "g"), "-");
  }
  var TEX = { "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}", "\u2013": "--", "±": "$\\pm$", "≥": "$\\geq$", "≤": "$\\leq$", "×": "$\\times$", "↓": "$\\downarrow$", "↑": "$\\uparrow$" };
  function tex(text) { return Array.prototype.map.call(text, function (c) { return TEX[c] || (c < " " ? " " : c); }).join(""); }
  function csv(text) { var safe = /^[=+@\t\r]/.test(text) || /^-(?![\d.]+( [±[].*)?$)/.test(text) ? "'" + text : text; return /[",\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe; }
  function markdown(text) { return text.replace(/[\\|`*_<>[\]]/g, "\\$&"); }
  var FORMS = {
    csv: function (lines) { return lines.map(function (line) { return line.map(csv).join(","); }).join("\n") + "\n"; },
    md: function (lines) {
      var text = lines.map(function (line) { return "| " + line.map(markdown).join(" | ") + " |"; });
      text.splice(1, 0, "|" + lines[0].map(function () { return "---|"; }).join(""));
      return text.join("\n") + "\n";
    },
    tex: function (lines) {
      return "\\begin{tabular}{" + lines[0].map(function () { return "l"; }).join("") + "}\n\\toprule\n" + lines.map(function (line, at) { return line.map(tex).join(" & ") + " \\\\" + (at ? "" : "\n\\midrule"); }).join("\n") + "\n\\bottomrule\n\\end{tabular}\n% " + tex(notice()) + "\n";
    }
  };
  function notice() { return Array.prototype.map.call(document.querySelectorAll(".banner"), function (node) { return node.textContent.trim(); }).join(" "); }
  function lines() {
    var shown = Array.prototype.filter.call(table.querySelectorAll("tbody tr[id]"), function (row) { return row.offsetParent !== null; });
    return [cells({ cells: heads })].concat(shown.map(cells));
  }
  Array.prototype.forEach.call(document.querySelectorAll("[data-as]"), function (button) {
    button.addEventListener("click", function () {
      var form = button.getAttribute("data-as"), link = document.createElement("a"), stamp = notice(), shown = lines();
      if (form === "csv" && stamp) shown = shown.map(function (line, at) { return line.concat(at ? stamp : "notice"); });
      var text = FORMS[form](shown) + (form === "md" && stamp ? "\n" + markdown(stamp) + "\n" : "");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
      link.download = table.getAttribute("data-board") + "-view." + form;
      link.click();
      setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
    });
  });

  // The drawer: what stands behind a row, without leaving the page.
  var drawer = $("drawer"), opener = null;
  table.addEventListener("click", function (event) {
    var link = event.target.closest ? event.target.closest('a[href$="#evidence"]') : null;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !drawer.showModal) return;
    event.preventDefault();
    opener = link;
    var row = link.closest("tr"), list = document.createElement("dl");
    heads.forEach(function (head, at) {
      if (head.hasAttribute("data-fixed")) return;
      var term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = plain(head); text.textContent = plain(row.cells[at]) + (row.cells[at].title ? ", " + row.cells[at].title : "");
      list.appendChild(term); list.appendChild(text);
    });
    var id = row.id.slice(2), records = document.createElement("a");
    list.appendChild($("making-" + (row.getAttribute("data-m") || 0)).content.cloneNode(true));
    records.href = drawer.getAttribute("data-records") + id + ".records.gz"; records.textContent = id + ".records.gz";
    [["Entry", id], ["Measure again", "harness leaderboard reproduce " + id + " " + drawer.getAttribute("data-folders")], ["Records", "SHA-256 " + row.getAttribute("data-h") + "\u2026"]].forEach(function (line) {
      var term = document.createElement("dt"), text = document.createElement("dd"), code = document.createElement("code");
      term.textContent = line[0]; code.textContent = line[1];
      if (line[0] === "Records") { text.appendChild(records); text.appendChild(document.createTextNode(", ")); }
      text.appendChild(code); list.appendChild(term); list.appendChild(text);
    });
    $("drawer-title").textContent = row.cells[1].querySelector("a").textContent;
    drawer.querySelector("div").replaceChildren(list);
    drawer.querySelector("p a").href = link.href;
    var report = drawer.querySelector("[data-report]");
    if (report) report.href = report.getAttribute("data-report") + id;
    drawer.showModal();
  });
  drawer.addEventListener("close", function () { if (opener) opener.focus(); opener = null; });

  // A row and its mark in the figure point at each other.
  var shots = Object.create(null);
  Array.prototype.forEach.call(document.querySelectorAll(".scatter [data-e]"), function (shot) { shots[shot.getAttribute("data-e")] = shot; });
  rows.forEach(function (row) {
    var shot = shots[row.id];
    if (!shot) return;
    if (!shot.querySelector("title")) { var title = document.createElementNS(shot.namespaceURI, "title"); title.textContent = row.el.cells[1].querySelector("a").textContent; shot.insertBefore(title, shot.firstChild); }
    function mark(on) { return function () { shot.classList.toggle("lit", on); }; }
    row.el.addEventListener("mouseenter", mark(true)); row.el.addEventListener("mouseleave", mark(false));
    row.el.addEventListener("focusin", mark(true)); row.el.addEventListener("focusout", mark(false));
    shot.addEventListener("click", function () { location.hash = "e-" + row.id; });
  });

  document.querySelector(".controls").hidden = false;
  table.classList.add("live");
  window.addEventListener("popstate", arrive);
  window.addEventListener("hashchange", arrive);
  arrive();
  window.LB_READY = true;
})();
