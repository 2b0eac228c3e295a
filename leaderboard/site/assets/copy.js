// A button that copies a block of code. Without a script the block is there to be selected.
(function () {
  "use strict";
  Array.prototype.forEach.call(document.querySelectorAll("pre[data-copy]"), function (block) {
    var button = document.createElement("button"), words = block.getAttribute("data-copy");
    function said(now) { button.textContent = now; setTimeout(function () { button.textContent = words; }, 2000); }
    button.type = "button";
    button.className = "copy";
    button.textContent = words;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", function () {
      if (navigator.clipboard) navigator.clipboard.writeText(block.textContent).then(function () { said("Copied"); }, function () { said("Not allowed here"); });
      else said("Not possible here");
    });
    block.parentNode.insertBefore(button, block.nextSibling);
  });
})();
