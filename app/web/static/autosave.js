"use strict";
// What the forms of judges and of people in talks share: what was entered outlives reloads, lost networks and dead servers;
// effort is counted; a form is saved before it is submitted. It knows no form: a page says what its own is made of.

const autosave = (() => {
  const PAUSE = 600;
  const PATIENCE = [1000, 2000, 4000, 8000, 15_000, 30_000];
  const TIMEOUT = 15_000;
  const IDLE = 30_000;
  const MEASURES = ["active_seconds", "focus_changes", "edits"];
  // Fields in which people write: what is pressed and pasted in others tells nothing.
  const TEXTS = "textarea, input[type=text], input:not([type])";

  // ── the page ────────────────────────────────────────────────────────────────────────────────────────────────
  // One set of listeners, however many forms come and go: they call the last form that began.
  let current = null;
  let lastSign = Date.now();
  for (const sign of ["keydown", "pointerdown", "pointermove", "scroll", "wheel", "touchstart"]) {
    addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true, capture: true });
  }
  for (const change of ["focus", "blur"]) addEventListener(change, () => current?.focusChanged());
  addEventListener("online", () => current?.online());
  addEventListener("pagehide", () => current?.leave());
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") current?.leave(); });
  addEventListener("pageshow", (event) => { if (event.persisted && current) location.reload(); });
  setInterval(() => current?.tick(), 1000);
  // Effort alone is saved once in a while too, and the lease renewed, as long as the person is reading.
  setInterval(() => current?.keep(), 30_000);

  // ── the newest state, kept in this browser until the server has it ──────────────────────────────────────────
  const named = (address, what) => `arena-draft:${address}:${what}`;

  function storeOf(key) {
    return {
      read() { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
      write(kept) { try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* full or forbidden: the server has it */ } },
      clear() { try { localStorage.removeItem(key); } catch { /* see above */ } },
    };
  }

  // What was submitted since is not needed here any more.
  function forget(address, but = null) {
    try {
      Object.keys(localStorage)
        .filter((name) => name.startsWith(named(address, "")) && name !== but)
        .forEach((name) => localStorage.removeItem(name));
    } catch { /* forbidden: then there is nothing either */ }
  }

  // ── effort ──────────────────────────────────────────────────────────────────────────────────────────────────
  // What is measured is sent in parts, each once. Signals (how much was typed and pasted, how long the page was left: never what)
  // are sent whole, counted from the loading of the page: so the server knows a save that came twice, and misses none.
  function effortsBy(step) {
    const efforts = new Map();
    const signals = new Map();
    const visit = Math.floor(Math.random() * 2 ** 52);
    let lastTick = Date.now();
    let present = document.hasFocus();
    const tenths = (seconds) => Math.round(seconds * 10) / 10;

    function now(at = step()) {
      if (!efforts.has(at)) efforts.set(at, { step: at, active_seconds: 0, focus_changes: 0, edits: 0 });
      return efforts.get(at);
    }
    function signal() {
      const at = now().step;
      if (!signals.has(at)) signals.set(at, { keystrokes: 0, pastes: 0, pasted_characters: 0, away_seconds: 0 });
      return signals.get(at);
    }
    function tick() {
      const time = Date.now();
      const here = document.hasFocus();
      // A machine that slept makes one long tick: that was no activity.
      if (here && time - lastSign < IDLE) now().active_seconds += Math.min(time - lastTick, 2000) / 1000;
      if (!present) signal().away_seconds += (time - lastTick) / 1000;
      present = here;
      lastTick = time;
    }
    function sent(some) {
      const own = signals.get(some.step) ?? { away_seconds: 0 };
      const rounded = { active_seconds: tenths(some.active_seconds), away_seconds: tenths(own.away_seconds) };
      return { ...some, visit, ...own, ...rounded };
    }
    function typed(event) {
      const kind = event.inputType ?? "";
      const pasted = kind.startsWith("insertFrom");
      if (!event.isTrusted || !event.target.matches(TEXTS) || pasted) return;
      if (kind.startsWith("insert") || kind.startsWith("delete")) signal().keystrokes += 1;
    }
    function pasted(event) {
      if (!event.isTrusted || !event.target.matches?.(TEXTS)) return;
      const text = (event.clipboardData ?? event.dataTransfer)?.getData("text") ?? "";
      signal().pastes += 1;
      signal().pasted_characters += text.length;
    }
    function take() {
      tick();
      now();
      const taken = [...efforts.values()].map(sent);
      efforts.clear();
      return taken;
    }
    function giveBack(taken) {
      for (const some of taken) {
        const mine = now(some.step);
        for (const name of MEASURES) mine[name] += some[name];
      }
    }
    const spent = () => [...efforts.values()].reduce((sum, some) => sum + some.active_seconds, 0);
    return { now, tick, take, giveBack, spent, typed, pasted };
  }

  // ── one form ────────────────────────────────────────────────────────────────────────────────────────────────
  // A page hands in: `what` is asked; `read()` returns what the form contains, `put(kept)` puts back what `fits(kept)`; `show()` what
  // follows from it; `effort(taken)` as the fields that the server takes; `words` for what it does. It may hand in: the
  // `step()` that effort goes into, what to do once it is `saved(answer)`, and `hold()`, true where it is not to be sent yet.
  function begin(form, page) {
    current?.retire();
    const status = form.querySelector("[data-saved]");
    const button = form.querySelector("[data-submit]");
    const address = form.dataset.draft;
    const key = named(address, page.what);
    const store = storeOf(key);
    const effort = effortsBy(page.step ?? (() => 0));
    const at = () => Number(form.elements.at.value);
    const state = () => ({ ...page.read(), at: at() });
    let timer = 0;
    let tries = 0;
    let sending = null;
    let over = false;
    let ended = "";
    let untaken = "";
    let submitting = false;
    let unsent = false;
    let dirty = false;

    function say(text, trouble = false) {
      if (status.textContent !== text) status.textContent = text;
      status.classList.toggle("trouble", trouble);
    }

    // Nothing can be saved or submitted here any more: why is said again at every further try.
    function end(text) {
      over = true;
      ended = text;
      say(text, true);
    }

    function edited() {
      if (!over) effort.now().edits += 1;
      changed();
    }

    function changed() {
      if (over) return;
      untaken = "";
      form.elements.at.value = Math.max(Date.now(), at() + 1);
      page.show();
      store.write(state());
      saveSoon(PAUSE);
    }

    function saveSoon(wait = 0) {
      dirty = true;
      if (!submitting) say(_("Saving …"));
      later(wait);
    }

    function later(wait) {
      clearTimeout(timer);
      timer = setTimeout(save, wait);
    }

    const request = (sent, taken, options) => fetch(address, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": form.elements.csrf_token.value },
      body: JSON.stringify({ ...sent, ...page.effort(taken) }),
      redirect: "manual",
      ...options,
    });

    // One save at a time; further calls meanwhile wait for the one under way.
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
      const taken = effort.take();
      dirty = false;
      try {
        const response = await request(sent, taken, { signal: AbortSignal.timeout?.(TIMEOUT) });
        if (response.ok) return acknowledged(sent, await response.json());
        effort.giveBack(taken);
        return refused(response, await sentenceOf(response));
      } catch {
        effort.giveBack(taken);
        return again(_("Not saved: no connection, will try again"));
      }
    }

    function acknowledged(sent, answer) {
      tries = 0;
      untaken = "";
      if (answer.saved === null) {
        store.clear();
        return end(answer.over && answer.over !== "done"
          ? _("Not saved: this does not go on. Load the page again to see why.")
          : page.words.already);
      }
      page.saved?.(answer);
      if (dirty) return undefined;
      if ((store.read()?.at ?? 0) <= sent.at) store.clear();
      if (submitting) return undefined;
      return say(unsent ? page.words.saved : _("Saved"), unsent);
    }

    // What the server says of a refusal; nothing where another program in between refused.
    async function sentenceOf(response) {
      const text = response.type === "opaqueredirect" ? "" : await response.text();
      try { return String(JSON.parse(text).error ?? ""); } catch { return text.length < 300 && !text.includes("<") ? text : ""; }
    }

    function refused(response, sentence) {
      const reason = sentence || _("the server does not take this.");
      if (response.status === 429) {
        return again(_("Not saved: %(reason)s It will be tried again.", { reason: sentence || _("that was a lot at once.") }));
      }
      if (response.status >= 500) return again(_("Not saved: the server is in trouble, will try again"));
      if (response.type === "opaqueredirect" || response.status === 401) {
        return end(_("Not saved: you are signed out. What you entered is kept in this browser: open your own link again."));
      }
      if (response.status === 404 || response.status === 410) {
        store.clear();
        return end(`${page.words.lost} ${sentence || _("Go to the start for the next one.")}`);
      }
      if (response.status === 413 || response.status === 422) {
        // The next change may be taken.
        untaken = _("Not saved: %(reason)s Shorten it or change it: it is kept in this browser.", { reason });
        return say(untaken, true);
      }
      return end(_("Not saved: %(reason)s What you entered is kept in this browser: load the page again.", { reason }));
    }

    function again(text) {
      dirty = true;
      say(text, true);
      later(PATIENCE[Math.min(tries, PATIENCE.length - 1)]);
      tries += 1;
    }

    async function leave() {
      effort.tick();
      if (over || (!dirty && effort.spent() < 1)) return;
      const taken = effort.take();
      const kept = await request(state(), taken, { keepalive: true }).catch(() => null);
      // A person who only looked away comes back to what they have entered.
      if (!kept?.ok) effort.giveBack(taken);
    }

    // First saved and then submitted: so nothing is lost where the network goes just now.
    async function submit() {
      submitting = true;
      say(page.words.doing);
      button.setAttribute("aria-busy", "true");
      if (!over) store.write(state());
      if (sending) await sending;
      await save();
      if (over || untaken || tries > 0) return stay();
      over = true;
      const taken = effort.take();
      for (const [name, value] of Object.entries(page.effort(taken))) {
        form.elements[name].value = Array.isArray(value) ? JSON.stringify(value) : value;
      }
      form.submit();
      // Where no answer comes, the page stays as it is, and may be submitted again.
      setTimeout(() => { over = false; effort.giveBack(taken); stay(); }, TIMEOUT);
      return undefined;
    }

    function stay() {
      delete form.dataset.sent;
      button.removeAttribute("aria-busy");
      submitting = false;
      unsent = !ended;
      say(ended || untaken || page.words.again, true);
    }

    form.addEventListener("input", effort.typed);
    for (const way of ["paste", "drop"]) form.addEventListener(way, effort.pasted);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.dataset.sent || page.hold?.()) return;
      form.dataset.sent = "yes";
      submit().catch((error) => { stay(); throw error; });
    });

    // Put back what this browser has and the server has not.
    function restore() {
      const kept = store.read();
      if (kept && page.fits(kept) && kept.at > at()) {
        page.put(kept);
        form.elements.at.value = kept.at;
        saveSoon();
      } else {
        store.clear();
        if (at() > 0) say(_("Saved"));
      }
      page.show();
    }

    forget(address, key);
    current = {
      say, edited, changed, saveSoon, restore, leave,
      tick: effort.tick,
      focusChanged() { effort.tick(); effort.now().focus_changes += 1; },
      online() { if (dirty) save(); },
      keep() { if (!dirty && effort.spent() >= 20) save(); },
      retire() { leave(); clearTimeout(timer); over = true; },
    };
    return current;
  }

  const done = document.querySelector("[data-done]");
  if (done) forget(done.dataset.done);
  return { begin };
})();
