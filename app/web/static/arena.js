"use strict";
// Messages of scripts in the language of the page: `_` looks them up among the translations that the page brings along, and puts
// values in the place of `%(name)s`.
const translations = JSON.parse(document.querySelector("meta[name=translations]")?.content || "{}");
const _ = (message, values = {}) => (translations[message] ?? message)
  .replace(/%\((\w+)\)s/g, (_whole, name) => values[name]).replaceAll("%%", "%");

// Buttons that copy the text of an element: `data-copy` has its id, and the output beside the button says how it went.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const said = button.parentElement.querySelector("output");
  const text = [...source.children].map((part) => part.innerText.trim()).join("\n\n");
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = _("Copied.");
  } catch {
    // Browsers copy by themselves only on safe addresses: mark the text, so that Ctrl-C takes it.
    window.getSelection().selectAllChildren(source);
    said.textContent = _("Marked: press Ctrl-C to copy.");
  }
});
