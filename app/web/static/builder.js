"use strict";
// The form of an experiment: while the server draws it anew nothing that is typed is lost, what is unfolded stays so, and
// the focus goes where the work goes on. Without this script the form is sent whole and comes back as a page.

const forms = new WeakMap(); // by request, what stood in the form when it was sent
let kept = null; // from before a swap to after it

const isSwitch = (input) => input.type === "checkbox";
const value = (input) => (isSwitch(input) ? input.checked : input.value);
const inputs = (part) => [...part.querySelectorAll("input, select, textarea")]
  .filter((input) => input.name && !["hidden", "file"].includes(input.type));

// Return the new name of an input after a button has done its work; null where the input is gone.
function moved(name, verb) {
  const [, part, gone] = /^remove-(\w+):(\d+)$/.exec(verb) ?? [];
  const [, at, rest] = (part && new RegExp(`^${part}s\\.(\\d+)(.*)$`).exec(name)) || [];
  if (at === undefined) return name;
  return at === gone ? null : `${part}s.${at - (Number(at) > Number(gone))}${rest}`;
}

function before({ detail }) {
  if (detail.xhr.status === 422) detail.shouldSwap = true; // it says what is wrong, and holds the form
  const { then, verb } = forms.get(detail.xhr);
  const part = detail.target;
  const active = document.activeElement;
  kept = {
    verb,
    since: inputs(part)
      .filter((input) => then.get(input.name) !== value(input))
      .map((input) => [moved(input.name, verb), value(input)]),
    folds: [...part.querySelectorAll("details")].map((fold) => [moved(fold.dataset.fold, verb), fold.open]),
    caret: part.contains(active) && active.selectionStart != null && [active.selectionStart, active.selectionEnd],
  };
}

function enter(input, now) {
  if (isSwitch(input)) input.checked = now;
  else if (input.tagName !== "SELECT" || [...input.options].some((option) => option.value === now)) input.value = now;
}

function after() {
  if (!kept) return;
  const { verb, since, folds, caret } = kept;
  kept = null;
  const written = document.getElementById("written");
  const byName = new Map(inputs(written).map((input) => [input.name, input]));
  const late = since.map(([name, now]) => [byName.get(name), now]).filter(([input]) => input);
  late.forEach(([input, now]) => enter(input, now));
  const open = new Map(folds);
  document.querySelectorAll("#builder details").forEach((fold) => {
    if (open.has(fold.dataset.fold)) fold.open = open.get(fold.dataset.fold);
  });
  if (caret && document.activeElement.setSelectionRange) document.activeElement.setSelectionRange(...caret);
  goOn(written, verb);
  // What was chosen since may ask for the form anew once more.
  late.filter(([input]) => input.hasAttribute("hx-post"))
    .forEach(([input]) => input.dispatchEvent(new Event("change", { bubbles: true })));
}

// To the new part after adding one, to the button that adds one after taking one away.
function goOn(written, verb) {
  const [, what, part] = /^(add|remove)-(\w+)/.exec(verb) ?? [];
  if (!what) return;
  const rows = written.querySelectorAll(`[data-row="${part}"]`);
  const first = rows.length && rows[rows.length - 1].querySelector("input:not([type=hidden]), select");
  const next = what === "add" ? first : written.querySelector(`button[value="add-${part}"]`);
  if (next) next.focus();
}

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  const then = new Map(inputs(detail.target).map((input) => [input.name, value(input)]));
  forms.set(detail.xhr, { then, verb: detail.requestConfig.parameters.do ?? "" });
});
document.addEventListener("htmx:beforeSwap", before);
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const drawn = kept && detail.target.id === "written";
  after();
  // What it would take is counted apart.
  if (drawn) document.getElementById("written").dispatchEvent(new Event("change", { bubbles: true }));
});
