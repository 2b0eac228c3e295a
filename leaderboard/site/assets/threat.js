// Shows the attacks of those who may do no more, own other data, or lack the original. Without a script all are there.
(function () {
  "use strict";
  var panel = document.getElementById("threats"), table = document.getElementById("attacks");
  var access = panel.querySelector("[name=access]"), data = panel.querySelector("[name=data]");
  var without = panel.querySelector("[type=checkbox]"), said = panel.querySelector("[role=status]");
  function fits(head) {
    return (!access.value || +head.getAttribute("data-access") <= +access.value) &&
      (!data.value || head.getAttribute("data-data") === data.value) && !(without.checked && head.hasAttribute("data-original"));
  }
  function show() {
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells, 1), shown = 0;
    heads.forEach(function (head, at) {
      var fit = fits(head);
      shown += fit;
      Array.prototype.forEach.call(table.rows, function (row) { row.cells[at + 1].hidden = !fit; });
    });
    said.textContent = shown + " of " + heads.length + " attacks shown";
  }
  panel.hidden = false;
  panel.addEventListener("change", show);
  show();
})();
