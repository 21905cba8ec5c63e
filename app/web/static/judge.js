"use strict";
// The trial page: steps that open one by one, sliders that share 100, autosave that outlives reloads and lost networks,
// effort by step, and keys. Without this script all is shown, the page is a plain form, and works as one.

// At once, before anything is painted: what is to be opened step by step is hidden by the style sheet from here on.
document.documentElement.classList.add("scripted");

addEventListener("DOMContentLoaded", () => {
  try {
    begin();
  } catch (error) {
    document.documentElement.classList.remove("scripted");
    throw error;
  }
});

function begin() {
  judge(document.querySelector("[data-belief]"));
  const clock = document.querySelector("[data-clock]");
  if (clock) countDown(clock);
}

// The seconds left, without alarm; the server counts for itself.
function countDown(clock) {
  const end = performance.now() + 1000 * Number(clock.dataset.clock);
  const show = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    clock.textContent = left > 0 ? ` ${left} s left.` : " The time is over.";
    if (left > 0) setTimeout(show, 1000);
  };
  show();
}

function judge(form) {
  const shares = [...form.querySelectorAll("[data-share]")];
  const sliders = [...form.querySelectorAll("[data-slider]")];
  const would = [...form.querySelectorAll("[data-would]")];
  const reason = form.elements.reason;
  const knows = form.elements.knows_story;
  const WORST = 1e-4;

  // ── what is saved ───────────────────────────────────────────────────────────────────────────────────────────
  const saving = autosave.begin(form, {
    what: form.elements.path.value,
    read: () => ({
      path: form.elements.path.value,
      p: shares.map((field) => field.value),
      reason: reason.value,
      knows_story: knows.checked,
      step: step(),
    }),
    fits: (kept) => Array.isArray(kept.p),
    put,
    show,
    step,
    hold: unread,
    effort: (efforts) => ({ efforts }),
    words: { doing: "Submitting …", done: "submitted", again: "submit again", lost: "this trial is no longer with you" },
  });

  function put(kept) {
    kept.p.forEach((value, at) => { if (shares[at]) shares[at].value = value; });
    reason.value = kept.reason;
    knows.checked = kept.knows_story;
    if (kept.step > step()) reveal(kept.step);
  }

  // ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────
  const onward = document.querySelector("[data-onward]");
  const opening = onward ? [...document.querySelectorAll("[data-step]")] : [];
  const steps = Math.max(0, ...opening.map((part) => Number(part.dataset.step)));
  const more = () => step() < steps;

  function step() {
    return Number(form.elements.step.value);
  }

  function reveal(to) {
    saving.tick();
    form.elements.step.value = Math.max(1, Math.min(to, steps || 1));
    opening.forEach((part) => part.classList.toggle("later", Number(part.dataset.step) > step()));
    if (!onward) return;
    onward.hidden = !more();
    document.querySelector("[data-progress]").textContent = more() ? `${step()} of ${steps} steps shown` : "All steps are shown.";
  }

  function goOn() {
    if (!more()) return;
    reveal(step() + 1);
    saving.changed();
    const next = opening.find((part) => Number(part.dataset.step) === step()).querySelector("[data-speech]");
    if (next) next.focus();
  }

  function unread() {
    if (!more()) return false;
    saving.say("There is more to read first: open the next step.", true);
    onward.focus();
    return true;
  }
  if (onward) onward.addEventListener("click", goOn);

  // ── sliders and scores ──────────────────────────────────────────────────────────────────────────────────────
  const number = (field) => Math.min(100, Math.max(0, Number(field.value) || 0));
  const neat = (value) => String(Math.round(value * 100) / 100);
  // The others keep the proportions that they had when somebody came to this answer, also by way of 100 and back.
  let base = shares.map(number);
  let held = -1;

  function show() {
    shares.forEach((field, at) => {
      const bits = (Math.log2(Math.max(number(field) / 100, WORST)) + 0).toFixed(2).replace("-", "−");
      sliders[at].value = number(field);
      sliders[at].setAttribute("aria-valuetext", `${neat(number(field))}; ${bits} bits if right`);
      would[at].querySelector("[data-bits]").textContent = bits;
    });
  }

  function share(moved, value) {
    if (moved !== held) [held, base] = [moved, shares.map(number)];
    const others = shares.map((_, at) => at).filter((at) => at !== moved);
    const before = others.reduce((sum, at) => sum + base[at], 0);
    const unit = Number.isInteger(value) ? 1 : 100;
    let rest = Math.round((100 - value) * 100) / 100;
    const left = rest;
    // The last takes what rounding leaves over.
    others.forEach((at, place) => {
      const exact = before ? (left * base[at]) / before : left / others.length;
      const part = place === others.length - 1 ? rest : Math.min(rest, Math.round(exact * unit) / unit);
      shares[at].value = neat(part);
      rest -= part;
    });
  }

  sliders.forEach((slider, at) => {
    slider.hidden = false;
    slider.addEventListener("input", () => {
      share(at, Number(slider.value));
      shares[at].value = slider.value;
      saving.edited();
    });
  });
  shares.forEach((field, at) => {
    // While somebody types, the field itself has lost its old number: the proportions are those from before.
    field.addEventListener("focus", () => { [held, base] = [at, shares.map(number)]; });
    field.addEventListener("input", () => {
      if (field.value !== "" && field.validity.valid) share(at, number(field));
      saving.edited();
    });
  });
  sliders.forEach((slider, at) => slider.addEventListener("focus", () => { [held, base] = [at, shares.map(number)]; }));
  would.forEach((line) => { line.hidden = false; });
  form.querySelector("[data-legend]").hidden = false;
  reason.addEventListener("input", saving.edited);
  knows.addEventListener("change", saving.edited);

  // ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────
  const keys = document.querySelector("[data-keys-dialog]");
  const confirm = document.querySelector("[data-confirm-dialog]");
  const inUse = keys.querySelector("[data-keys-in-use]");
  try { inUse.checked = localStorage.getItem("arena-keys") !== "off"; } catch { /* then they are in use */ }
  inUse.addEventListener("change", () => {
    try { localStorage.setItem("arena-keys", inUse.checked ? "on" : "off"); } catch { /* for this page, then */ }
  });
  const speeches = [...document.querySelectorAll("[data-speech]")];
  let speech = -1;
  speeches.forEach((article, at) => article.addEventListener("focusin", () => { speech = at; }));

  function typing(target) {
    return target.matches("textarea, select, input:not([type=range]):not([type=checkbox])") || target.isContentEditable;
  }
  function go(to) {
    const open = speeches.filter((article) => !article.closest(".later"));
    if (to >= open.length && more()) return goOn();
    if (!open.length) return undefined;
    speech = Math.min(Math.max(to, 0), open.length - 1);
    return open[speech].focus();
  }
  function ask() {
    if (unread() || !form.reportValidity()) return;
    document.querySelector("[data-summary]").textContent = shares
      .map((field, at) => `${String.fromCharCode(65 + at)}: ${field.value}`).join(", ");
    confirm.showModal();
    confirm.querySelector("[data-confirm]").focus();
  }
  const shortcuts = {
    n: () => go(speech + 1),
    p: () => go(speech - 1),
    r: () => reason.focus(),
    s: ask,
    "?": () => keys.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && shares.includes(event.target)) {
      // A browser would submit here, with no question asked.
      event.preventDefault();
      ask();
      return;
    }
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (!inUse.checked) return;
    const chosen = /^[1-9]$/.test(event.key) && sliders[Number(event.key) - 1];
    const action = chosen ? () => chosen.focus() : Object.hasOwn(shortcuts, event.key) && shortcuts[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  confirm.querySelector("[data-confirm]").addEventListener("click", () => { confirm.close(); form.requestSubmit(form.querySelector("[data-submit]")); });
  document.querySelectorAll("dialog [data-close]").forEach((close) => close.addEventListener("click", () => close.closest("dialog").close()));
  const shown = document.querySelector("[data-keys]");
  shown.hidden = false;
  shown.addEventListener("click", () => keys.showModal());

  // ── beginning ───────────────────────────────────────────────────────────────────────────────────────────────
  reveal(step());
  saving.restore();
}
