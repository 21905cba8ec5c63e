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
  const form = document.querySelector("[data-belief]");
  const address = form ? form.dataset.draft : document.querySelector("[data-done]").dataset.done;
  const key = form && `arena-draft:${address}:${form.elements.path.value}`;
  try {
    // What was submitted since is not needed here any more.
    Object.keys(localStorage)
      .filter((name) => name.startsWith(`arena-draft:${address}:`) && name !== key)
      .forEach((name) => localStorage.removeItem(name));
  } catch { /* forbidden: then there is nothing either */ }
  if (form) judge(form, key);
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

function judge(form, key) {
  const shares = [...form.querySelectorAll("[data-share]")];
  const sliders = [...form.querySelectorAll("[data-slider]")];
  const would = [...form.querySelectorAll("[data-would]")];
  const reason = form.elements.reason;
  const knows = form.elements.knows_story;
  const status = form.querySelector("[data-saved]");
  const button = form.querySelector("[data-submit]");
  const token = form.elements.csrf_token.value;
  const WORST = 1e-4;

  // ── the newest state, kept in this browser until the server has it ──────────────────────────────────────────
  const store = {
    read() { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    write(kept) { try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* full or forbidden: the server has it */ } },
    clear() { try { localStorage.removeItem(key); } catch { /* see above */ } },
  };

  const state = () => ({
    p: shares.map((field) => field.value),
    reason: reason.value,
    knows_story: knows.checked,
    at: Number(form.elements.at.value),
    step: Number(form.elements.step.value),
  });

  function put(saved) {
    saved.p.forEach((value, at) => { if (shares[at]) shares[at].value = value; });
    reason.value = saved.reason;
    knows.checked = saved.knows_story;
    form.elements.at.value = saved.at;
    if (saved.step > step()) reveal(saved.step);
  }

  // ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────
  const onward = document.querySelector("[data-onward]");
  const opening = onward ? [...document.querySelectorAll("[data-step]")] : [];
  const steps = Math.max(0, ...opening.map((part) => Number(part.dataset.step)));
  const step = () => Number(form.elements.step.value);
  const more = () => step() < steps;

  function reveal(to) {
    tick();
    form.elements.step.value = Math.max(1, Math.min(to, steps || 1));
    opening.forEach((part) => part.classList.toggle("later", Number(part.dataset.step) > step()));
    if (!onward) return;
    onward.hidden = !more();
    document.querySelector("[data-progress]").textContent = more() ? `${step()} of ${steps} steps shown` : "All steps are shown.";
  }

  function goOn() {
    if (!more()) return;
    reveal(step() + 1);
    changed();
    const next = opening.find((part) => Number(part.dataset.step) === step()).querySelector("[data-speech]");
    if (next) next.focus();
  }

  function unread() {
    if (!more()) return false;
    say("There is more to read first: open the next step.", true);
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
      edited();
    });
  });
  shares.forEach((field, at) => {
    // While somebody types, the field itself has lost its old number: the proportions are those from before.
    field.addEventListener("focus", () => { [held, base] = [at, shares.map(number)]; });
    field.addEventListener("input", () => {
      if (field.value !== "" && field.validity.valid) share(at, number(field));
      edited();
    });
  });
  sliders.forEach((slider, at) => slider.addEventListener("focus", () => { [held, base] = [at, shares.map(number)]; }));
  would.forEach((line) => { line.hidden = false; });
  form.querySelector("[data-legend]").hidden = false;
  reason.addEventListener("input", edited);
  knows.addEventListener("change", edited);

  // ── effort ──────────────────────────────────────────────────────────────────────────────────────────────────
  const IDLE = 30_000;
  const efforts = new Map();
  let lastSign = Date.now();
  let lastTick = Date.now();
  for (const sign of ["keydown", "pointerdown", "pointermove", "scroll", "wheel", "touchstart"]) {
    addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true, capture: true });
  }
  const changeOfFocus = () => { tick(); effort().focus_changes += 1; };
  addEventListener("focus", changeOfFocus);
  addEventListener("blur", changeOfFocus);

  function effort(at = step()) {
    if (!efforts.has(at)) efforts.set(at, { step: at, active_seconds: 0, focus_changes: 0, edits: 0 });
    return efforts.get(at);
  }

  function tick() {
    const now = Date.now();
    // A machine that slept makes one long tick: that was no activity.
    if (document.hasFocus() && now - lastSign < IDLE) effort().active_seconds += Math.min(now - lastTick, 2000) / 1000;
    lastTick = now;
  }
  setInterval(tick, 1000);
  const spent = () => [...efforts.values()].reduce((sum, some) => sum + some.active_seconds, 0);

  function takeEfforts() {
    tick();
    const taken = [...efforts.values()].map((some) => ({ ...some, active_seconds: Math.round(some.active_seconds * 10) / 10 }));
    efforts.clear();
    return taken;
  }
  function giveEffortsBack(taken) {
    for (const some of taken) {
      const mine = effort(some.step);
      for (const name of ["active_seconds", "focus_changes", "edits"]) mine[name] += some[name];
    }
  }

  // ── autosave ────────────────────────────────────────────────────────────────────────────────────────────────
  const PAUSE = 600;
  const PATIENCE = [1000, 2000, 4000, 8000, 15_000, 30_000];
  const TIMEOUT = 15_000;
  let timer = 0;
  let tries = 0;
  let sending = null;
  let over = false;
  let dirty = false;

  function say(text, trouble = false) {
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("trouble", trouble);
  }

  function edited() {
    if (!over) effort().edits += 1;
    changed();
  }

  function changed() {
    if (over) return;
    form.elements.at.value = Math.max(Date.now(), Number(form.elements.at.value) + 1);
    show();
    dirty = true;
    store.write(state());
    say("Saving …");
    later(PAUSE);
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  }

  const request = (sent, taken, options) => fetch(form.dataset.draft, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify({ path: form.elements.path.value, ...sent, efforts: taken }),
    redirect: "manual",
    ...options,
  });

  // One save at a time; whoever asks meanwhile waits for the one under way.
  function save() {
    clearTimeout(timer);
    if (over) return Promise.resolve();
    sending ??= send().finally(() => {
      sending = null;
      if (dirty && !over && tries === 0) later(PAUSE);
    });
    return sending;
  }

  async function send() {
    const sent = state();
    const taken = takeEfforts();
    dirty = false;
    try {
      const response = await request(sent, taken, { signal: AbortSignal.timeout?.(TIMEOUT) });
      if (response.ok) return acknowledged(sent, (await response.json()).saved);
      giveEffortsBack(taken);
      return refused(response);
    } catch {
      giveEffortsBack(taken);
      return again("Not saved: no connection, will try again");
    }
  }

  function acknowledged(sent, saved) {
    tries = 0;
    if (saved === null) {
      over = true;
      store.clear();
      say("This was submitted already: load the page again to go on.", true);
    } else if (!dirty) {
      const kept = store.read();
      if (!kept || kept.at <= sent.at) store.clear();
      say("Saved");
    }
  }

  function refused(response) {
    if (response.status >= 500 || response.status === 429) return again("Not saved: the server is in trouble, will try again");
    over = true;
    if (response.type === "opaqueredirect" || response.status === 403) {
      return say("Not saved: you are signed out. What you entered is kept in this browser: open your own link again.", true);
    }
    store.clear();
    return say("Not saved: this trial is no longer with you. Go to the start for the next one.", true);
  }

  function again(text) {
    dirty = true;
    say(text, true);
    later(PATIENCE[Math.min(tries, PATIENCE.length - 1)]);
    tries += 1;
  }

  function leave() {
    tick();
    if (over || (!dirty && spent() < 1)) return;
    request(state(), takeEfforts(), { keepalive: true }).catch(() => undefined);
  }
  addEventListener("online", () => { if (dirty) save(); });
  // Effort alone is saved once in a while too, and the place kept, as long as somebody is reading.
  setInterval(() => { if (!dirty && spent() >= 20) save(); }, 30_000);
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") leave(); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // ── submitting ──────────────────────────────────────────────────────────────────────────────────────────────
  // First saved and then submitted: so nothing is lost where the network goes just now.
  async function submit() {
    say("Submitting …");
    button.setAttribute("aria-busy", "true");
    if (!over) store.write(state());
    if (sending) await sending;
    await save();
    if (over || tries > 0) return stay();
    over = true;
    form.elements.efforts.value = JSON.stringify(takeEfforts());
    form.submit();
    // Where no answer comes, the page stays as it is, and may be submitted again.
    setTimeout(() => { over = false; stay(); }, TIMEOUT);
  }

  function stay() {
    delete form.dataset.sent;
    button.removeAttribute("aria-busy");
    if (!over) say("Not submitted yet: no answer. It is kept here; submit again.", true);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.dataset.sent || unread()) return;
    form.dataset.sent = "yes";
    submit();
  });

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
  confirm.querySelector("[data-confirm]").addEventListener("click", () => { confirm.close(); form.requestSubmit(button); });
  document.querySelectorAll("dialog [data-close]").forEach((close) => close.addEventListener("click", () => close.closest("dialog").close()));
  const shown = document.querySelector("[data-keys]");
  shown.hidden = false;
  shown.addEventListener("click", () => keys.showModal());

  // ── beginning ───────────────────────────────────────────────────────────────────────────────────────────────
  reveal(step());
  const kept = store.read();
  if (kept && Array.isArray(kept.p) && kept.at > Number(form.elements.at.value)) {
    put(kept);
    dirty = true;
    say("Saving …");
    later(0);
  } else {
    store.clear();
    if (Number(form.elements.at.value) > 0) say("Saved");
  }
  show();
}
