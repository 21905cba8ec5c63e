"use strict";
// Keys of a page of a list: a link with `data-key` is followed when its key is pressed outside of fields. Without this
// script the links are links.
(() => {
  const inUse = document.querySelector("[data-keys-in-use]");
  if (!inUse) return;
  inUse.closest(".keys-of-page").hidden = false;
  try { inUse.checked = localStorage.getItem("arena-keys") !== "off"; } catch { /* then they are in use */ }
  inUse.addEventListener("change", () => {
    try { localStorage.setItem("arena-keys", inUse.checked ? "on" : "off"); } catch { /* for this page, then */ }
  });
  document.addEventListener("keydown", (event) => {
    if (!inUse.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input:not([type='checkbox']), textarea, select, [contenteditable]")) return;
    document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
  });
})();
