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

// Browsers cut what is pasted or dropped into a field that has no room for it, without a word: say how much was cut.
document.addEventListener("beforeinput", (event) => {
  const field = event.target;
  if (!(field.maxLength > 0) || !["insertFromPaste", "insertFromDrop"].includes(event.inputType)) return;
  const pasted = (event.data ?? event.dataTransfer?.getData("text/plain") ?? "").replace(/\r\n?/g, "\n");
  const over = field.value.length - (field.selectionEnd - field.selectionStart) + pasted.length - field.maxLength;
  const said = field.parentElement.querySelector("[data-cut]");
  if (over <= 0) {
    said?.remove();
    return;
  }
  const note = said ?? Object.assign(document.createElement("small"), { className: "error" });
  note.dataset.cut = "";
  note.setAttribute("role", "alert");
  const count = (number) => number.toLocaleString(document.documentElement.lang);
  const values = { cut: count(over), most: count(field.maxLength) };
  note.textContent = _("What you pasted did not fit: characters cut at its end: %(cut)s. This field takes %(most)s.", values);
  field.after(note);
});
