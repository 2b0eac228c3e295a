// Two entries side by side. Differences come with the interval that was computed in Python, or without one.
(function () {
  "use strict";
  var boards = window.LB_DATA.boards.filter(function (board) { return board.entries.length; });
  var box = document.getElementById("compared"), pick = document.getElementById("pick-board"), sides = [document.getElementById("a"), document.getElementById("b")];
  if (!boards.length) { box.textContent = "There is no entry to compare yet."; return; }
  function option(value, text) { var made = document.createElement("option"); made.value = value; made.textContent = text; return made; }
  function percent(value) { return value === null ? "\u2013" : typeof value === "string" ? value : (100 * value).toFixed(1).replace("-", "\u2212"); }
  function element(tag, text) { var made = document.createElement(tag); if (text !== undefined) made.textContent = text; return made; }
  boards.forEach(function (board, at) { pick.appendChild(option(String(at), board.title)); });
  function fill(board, chosen) {
    sides.forEach(function (side, at) {
      side.replaceChildren();
      board.entries.forEach(function (entry) { side.appendChild(option(entry.id, entry.name)); });
      side.value = chosen[at] || (board.entries[Math.min(at, board.entries.length - 1)] || {}).id;
    });
  }
  function found(id) {
    for (var at = 0; at < boards.length; at++) for (var i = 0; i < boards[at].entries.length; i++) if (boards[at].entries[i].id === id) return { board: at, entry: boards[at].entries[i] };
    return null;
  }
  function gap(board, a, b) {
    for (var i = 0; i < board.pairs.length; i++) {
      var pair = board.pairs[i];
      if (pair[0] === a && pair[1] === b) return [[pair[2], pair[3]], pair.length > 4 ? [pair[4], pair[5]] : null];
      if (pair[0] === b && pair[1] === a) return [[-pair[3], -pair[2]], pair.length > 4 ? [-pair[5], -pair[4]] : null];
    }
    return [null, null];
  }
  // Under one attack every row has its interval to the leader of the board, and no other.
  function toLeader(board, a, b, at) {
    if (b.id === board.leader) return a.apart[at];
    var found = a.id === board.leader ? b.apart[at] : null;
    return found && [-found[1], -found[0]];
  }
  function word(interval, lower) {
    if (!interval) return "interval not precomputed";
    if (interval[0] <= 0 && interval[1] >= 0) return "not separable";
    return (interval[1] < 0) === lower ? "better" : "worse";
  }
  function row(body, name, one, other, form, interval, words, kind) {
    var tr = element("tr"), th = element("th", name), number = typeof one === "number" && typeof other === "number";
    th.scope = "row";
    tr.appendChild(th);
    [form(one), form(other), number ? form(one - other) + (interval ? " [" + form(interval[0]) + ", " + form(interval[1]) + "]" : "") : "\u2013", words || ""].forEach(function (text, at) { var td = element("td", text); if (at < 3) td.className = kind || "n"; tr.appendChild(td); });
    body.appendChild(tr);
  }
  function drawn(tag, attributes) { var made = document.createElementNS("http://www.w3.org/2000/svg", tag); Object.keys(attributes).forEach(function (name) { made.setAttribute(name, attributes[name]); }); return made; }
  // Both relearning curves over log2(1 + forget tokens), and the same numbers as a table.
  function curves(a, b) {
    var mine = [a, b].filter(function (entry, at) { return entry.curve && (at === 0 || b.id !== a.id); }), figure = element("div");
    if (!mine.length) return figure;
    var end = Math.max.apply(null, mine.map(function (entry) { return Math.log2(1 + entry.curve[1][entry.curve[1].length - 1]); })) || 1;
    function x(tokens) { return (34 + 316 * Math.log2(1 + tokens) / end).toFixed(1); }
    function y(k) { return (150 - 130 * Math.min(1.1, Math.max(-0.1, k))).toFixed(1); }
    var svg = drawn("svg", { viewBox: "0 0 360 176", width: "360", height: "176", role: "img", "aria-label": "Relearning curves of " + mine.map(function (entry) { return entry.name; }).join(" and ") });
    [0, 0.5, 1].forEach(function (k) { svg.appendChild(drawn("path", { "class": "grid", d: "M34 " + y(k) + "H350" })); var tick = drawn("text", { x: "28", y: String(+y(k) + 4), "text-anchor": "end" }); tick.textContent = String(100 * k); svg.appendChild(tick); });
    mine.forEach(function (entry) { svg.appendChild(drawn("path", { "class": entry === a ? "one" : "two", d: "M" + entry.curve[1].map(function (tokens, at) { return x(tokens) + " " + y(entry.curve[2][at]); }).join("L") })); });
    var label = drawn("text", { x: "350", y: "172", "text-anchor": "end" }); label.textContent = "forget tokens, log scale"; svg.appendChild(label);
    figure.appendChild(element("h2", "Relearning"));
    figure.appendChild(svg);
    var table = element("table"), head = element("tr"), body = element("tbody"), thead = element("thead"), stops = {};
    table.className = "plain";
    table.appendChild(element("caption", "K in % after so many forget tokens: " + mine.map(function (entry) { return entry.name + (entry === a ? " (solid)" : " (dashed)") + " under " + entry.curve[0]; }).join(", ") + "."));
    ["Forget tokens"].concat(mine.map(function (entry) { return entry.name; })).forEach(function (text) { var th = element("th", text); th.scope = "col"; th.className = "n"; head.appendChild(th); });
    thead.appendChild(head); table.appendChild(thead);
    mine.forEach(function (entry) { entry.curve[1].forEach(function (tokens) { stops[tokens] = true; }); });
    Object.keys(stops).map(Number).sort(function (p, q) { return p - q; }).forEach(function (tokens) {
      var tr = element("tr"), th = element("th", String(tokens)); th.scope = "row"; th.className = "n"; tr.appendChild(th);
      mine.forEach(function (entry) { var at = entry.curve[1].indexOf(tokens), td = element("td", at < 0 ? "\u2013" : percent(entry.curve[2][at])); td.className = "n"; tr.appendChild(td); });
      body.appendChild(tr);
    });
    table.appendChild(body);
    figure.appendChild(region("Relearning curves as numbers", table));
    return figure;
  }
  function region(name, table) { var scroll = element("div"); scroll.className = "scroll"; scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", name); scroll.appendChild(table); return scroll; }
  function left(entry) { return entry.bound && entry.kstar !== null ? "\u2265 " + percent(entry.kstar) : entry.kstar; }
  function draw() {
    var one = found(sides[0].value), other = found(sides[1].value);
    if (!one || !other || one.board !== other.board) { box.replaceChildren(element("p", "Choose two entries of one board.")); return; }
    var board = boards[one.board], a = one.entry, b = other.entry, table = element("table"), head = element("tr"), body = element("tbody"), intervals = gap(board, a.id, b.id), same = a.id === b.id ? "the same entry" : "";
    table.className = "plain";
    table.appendChild(element("caption", board.title + ", in %. A difference below zero favours the first, except for utility."));
    ["Measure", a.name, b.name, "Difference", "In words"].forEach(function (text, at) { var th = element("th", text); th.scope = "col"; if (at && at < 4) th.className = "n"; head.appendChild(th); });
    var thead = element("thead"); thead.appendChild(head); table.appendChild(thead);
    var bound = a.bound || b.bound;
    row(body, "K*", left(a), left(b), percent, bound ? null : intervals[0], same || (bound ? "attacks are missing" : word(intervals[0], true)));
    row(body, "K(0)", a.before, b.before, percent, null, same || word(null));
    row(body, "Utility u", a.utility, b.utility, percent, intervals[1], same || word(intervals[1], false));
    board.attacks.forEach(function (name, at) {
      var mine = a.attacks[at], theirs = b.attacks[at], apart = toLeader(board, a, b, at);
      row(body, "K after " + name, mine, theirs, percent, apart, same || (typeof mine === "number" && typeof theirs === "number" ? word(apart, true) : ""));
    });
    row(body, "Cost ratio", a.cost, b.cost, function (value) { return typeof value === "number" ? value.toFixed(1).replace("-", "\u2212") : "\u2013"; });
    [["Worst attack", a.worst || "no attack", b.worst || "no attack"], ["Status", a.status, b.status], ["Seeds", String(a.seeds), String(b.seeds)]].forEach(function (line) { row(body, line[0], line[1], line[2], String); });
    function setting(entry, name) { return Object.prototype.hasOwnProperty.call(entry.settings, name) ? entry.settings[name] : "\u2013"; }
    Object.keys(Object.assign({}, a.settings, b.settings)).sort().forEach(function (name) {
      var mine = setting(a, name), theirs = setting(b, name);
      if (mine !== theirs) row(body, name, mine, theirs, String, null, "setting");
    });
    board.makings[a.making].forEach(function (line, at) { row(body, line[0], line[1], board.makings[b.making][at][1], String, null, "", "long"); });
    table.appendChild(body);
    var links = element("p");
    [a, b].forEach(function (entry, at) { var link = element("a", entry.name); link.href = entry.address; if (at) links.appendChild(document.createTextNode(", ")); links.appendChild(link); });
    box.replaceChildren(region("Comparison", table), links, curves(a, b));
    history.replaceState(null, "", "#?a=" + encodeURIComponent(a.id) + "&b=" + encodeURIComponent(b.id));
  }
  function arrive() {
    var wanted = {}, missing = [];
    location.hash.replace(/^#\?/, "").split("&").forEach(function (part) { var at = part.indexOf("="); if (at > 0) { try { wanted[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1)); } catch (_) { /* not ours */ } } });
    ["a", "b"].forEach(function (side) { if (wanted[side] && !found(wanted[side])) missing.push(wanted[side]); });
    var first = wanted.a && found(wanted.a);
    pick.value = String(first ? first.board : 0);
    fill(boards[first ? first.board : 0], [wanted.a, wanted.b]);
    if (missing.length) { box.replaceChildren(element("p", "There is no entry " + missing.join(" and no entry ") + " on this site. Choose others above.")); return; }
    draw();
  }
  pick.addEventListener("change", function () { fill(boards[parseInt(pick.value, 10)], []); draw(); });
  sides.forEach(function (side) { side.addEventListener("change", draw); });
  document.querySelector(".controls").hidden = false;
  arrive();
  window.addEventListener("hashchange", arrive);
  window.LB_READY = true;
})();
