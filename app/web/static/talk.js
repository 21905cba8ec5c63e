"use strict";
// The talk page: quotes taken from the text by selecting them, words and quotes counted while one writes, autosave, and
// word that it is one's turn. Without this script the page is a plain form, and works as one.

(() => {
  const PAUSE = 600;
  const PATIENCE = [1000, 2000, 4000, 8000, 15_000, 30_000];
  const TIMEOUT = 15_000;
  const IDLE = 30_000;
  const TAG = /<\s*\/?\s*quote\s*>/gi;
  const page = () => document.getElementById("talk");
  const counted = (text) => (text.replace(TAG, "").match(/\S+/g) || []).length;

  // ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────
  // htmx brings the new page; here it is told to those who do not see it, and the text stays where it was scrolled to.
  let scrolled = 0;
  addEventListener("htmx:beforeSwap", () => { scrolled = page().querySelector("[data-passage]")?.scrollTop ?? 0; });
  addEventListener("htmx:afterSettle", () => {
    const passage = page().querySelector("[data-passage]");
    if (passage) passage.scrollTop = scrolled;
    const turn = page().dataset.turn;
    if (turn === "no") return;
    const news = turn === "yes" ? "It is your turn." : "This talk has ended.";
    document.querySelector("[data-news]").textContent = news;
    document.title = `● ${news} · ${document.title.split(" · ").at(-1)}`;
    begin();
  });

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────
  function begin() {
    const form = page()?.querySelector("[data-talk]");
    if (form) write(form);
  }

  function write(form) {
    const parts = [...form.querySelectorAll("[data-ask]")];
    const status = form.querySelector("[data-saved]");
    const button = form.querySelector("[data-submit]");
    const key = `arena-talk:${form.dataset.draft}:${parts.map((part) => part.dataset.ask).join()}`;
    let active = 0;
    let edits = 0;
    let lastSign = Date.now();
    let lastTick = Date.now();
    let timer = 0;
    let tries = 0;
    let sending = null;
    let dirty = false;
    let over = false;

    const store = {
      read() { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
      write(kept) { try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* full or forbidden: the server has it */ } },
      clear() { try { localStorage.removeItem(key); } catch { /* see above */ } },
    };

    const answer = (part) => ({
      path: part.dataset.ask,
      text: part.querySelector("[data-text]")?.value ?? "",
      p: [...part.querySelectorAll("[data-share]")].map((field) => field.value),
      pick: part.querySelector("[type=radio]:checked")?.value ?? "",
      rating: part.querySelector("[name$='.rating']")?.value ?? "",
    });
    const knows = form.elements.knows_story;
    const state = () => ({ answers: parts.map(answer), at: Number(form.elements.at.value), knows_story: knows?.checked ?? false });

    function put(kept) {
      kept.answers.forEach((was, at) => {
        const part = parts[at];
        const text = part.querySelector("[data-text]");
        if (text) text.value = was.text;
        part.querySelectorAll("[data-share]").forEach((field, place) => { field.value = was.p[place] ?? field.value; });
        part.querySelectorAll("[type=radio]").forEach((field) => { field.checked = field.value === was.pick; });
        const rating = part.querySelector("[name$='.rating']");
        if (rating) rating.value = was.rating;
      });
      if (knows) knows.checked = kept.knows_story ?? knows.checked;
      form.elements.at.value = kept.at;
    }

    // ── what is counted ─────────────────────────────────────────────────────────────────────────────────────
    function count(part) {
      const text = part.querySelector("[data-text]");
      const line = part.querySelector("[data-counts]");
      if (!text || !line) return;
      line.hidden = false;
      const words = part.querySelector("[data-words]");
      const most = Number(part.dataset.most || 0);
      const here = counted(text.value);
      words.textContent = most ? `${here} of at most ${most} words` : `${here} words`;
      if (most && here > most) words.textContent += `: ${here - most} too many`;
      words.classList.toggle("over", most > 0 && here > most);
    }

    function countQuotes(part, found) {
      const line = part.querySelector("[data-quotes]");
      const wrong = part.querySelector("[data-wrong]");
      if (!line || !found) return;
      const most = line.dataset.most;
      const checked = `${found.quotes - found.unverified.length} of ${found.quotes} ${found.quotes === 1 ? "quote" : "quotes"} found`;
      line.textContent = `· ${checked}, ${found.characters}${most ? ` of ${most}` : ""} new characters`;
      wrong.hidden = !found.unverified.length;
      wrong.replaceChildren(...found.unverified.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    }

    // ── quoting ─────────────────────────────────────────────────────────────────────────────────────────────
    const passage = page().querySelector("[data-passage]");
    const quoting = page().querySelector("[data-quoting]");
    let speech = form.querySelector("[data-speech]");
    // Where the writer was last: browsers forget it as soon as words are selected elsewhere.
    let caret = [speech?.value.length ?? 0, speech?.value.length ?? 0];
    form.querySelectorAll("[data-speech]").forEach((field) => {
      for (const sign of ["focus", "input", "keyup", "pointerup"]) {
        field.addEventListener(sign, () => { [speech, caret] = [field, [field.selectionStart, field.selectionEnd]]; });
      }
    });

    function selected() {
      const selection = getSelection();
      if (!selection.rangeCount || !passage) return "";
      const range = selection.getRangeAt(0);
      return passage.contains(range.commonAncestorContainer) ? range.toString().trim() : "";
    }

    function quote() {
      const told = page().querySelector("[data-quoted]");
      const words = selected();
      if (!words) {
        told.textContent = "Select words in the text first.";
        return;
      }
      if (counted(words) < 4) {
        told.textContent = "At least four words in a row make a quote.";
        return;
      }
      const before = speech.value.slice(0, caret[0]);
      const after = speech.value.slice(caret[1]);
      const space = before && !/\s$/.test(before) ? " " : "";
      const added = `${space}<quote>${words.replace(/\s+/g, " ")}</quote>`;
      speech.value = before + added + after;
      speech.focus();
      speech.selectionStart = speech.selectionEnd = before.length + added.length;
      caret = [speech.selectionStart, speech.selectionEnd];
      told.textContent = "Quoted.";
      changed();
    }

    if (quoting && speech && passage) {
      quoting.hidden = false;
      const press = quoting.querySelector("[data-quote]");
      // Else the selection would go as the button takes the focus.
      press.addEventListener("mousedown", (event) => event.preventDefault());
      press.addEventListener("click", quote);
      document.onkeydown = (event) => {
        if (!event.altKey || event.code !== "KeyQ" || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        quote();
      };
    }

    // ── autosave ────────────────────────────────────────────────────────────────────────────────────────────
    function tick() {
      const now = Date.now();
      // A machine that slept makes one long tick: that was no activity.
      if (document.hasFocus() && now - lastSign < IDLE) active += Math.min(now - lastTick, 2000) / 1000;
      lastTick = now;
    }
    const takeEffort = () => {
      tick();
      const taken = { active_seconds: Math.round(active * 10) / 10, edits };
      active = edits = 0;
      return taken;
    };

    function say(text, trouble = false) {
      if (status.textContent !== text) status.textContent = text;
      status.classList.toggle("trouble", trouble);
    }

    function changed() {
      if (over) return;
      edits += 1;
      form.elements.at.value = Math.max(Date.now(), Number(form.elements.at.value) + 1);
      parts.forEach(count);
      dirty = true;
      store.write(state());
      say("Saving …");
      later(PAUSE);
    }

    function later(wait) {
      clearTimeout(timer);
      timer = setTimeout(save, wait);
    }

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

    const request = (sent, effort, options) => fetch(form.dataset.draft, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": form.elements.csrf_token.value },
      body: JSON.stringify({ ...sent, ...effort }),
      redirect: "manual",
      ...options,
    });

    async function send() {
      const sent = state();
      const effort = takeEffort();
      dirty = false;
      try {
        const response = await request(sent, effort, { signal: AbortSignal.timeout?.(TIMEOUT) });
        if (response.ok) return acknowledged(sent, await response.json());
        return refused(response);
      } catch {
        active += effort.active_seconds;
        edits += effort.edits;
        return again("Not saved: no connection, will try again");
      }
    }

    function acknowledged(sent, { saved, counts }) {
      tries = 0;
      if (saved === null) {
        over = true;
        store.clear();
        return say("This was sent already: load the page again to go on.", true);
      }
      parts.forEach((part) => countQuotes(part, counts[part.dataset.ask]));
      if (dirty) return undefined;
      if ((store.read()?.at ?? 0) <= sent.at) store.clear();
      return say("Saved");
    }

    function refused(response) {
      if (response.status >= 500 || response.status === 429) return again("Not saved: the server is in trouble, will try again");
      over = true;
      if (response.type === "opaqueredirect" || response.status === 403) {
        return say("Not saved: you are signed out. What you wrote is kept in this browser: open your own link again.", true);
      }
      return say("Not saved: this seat is no longer yours. Go to the start for the next one.", true);
    }

    function again(text) {
      dirty = true;
      say(text, true);
      later(PATIENCE[Math.min(tries, PATIENCE.length - 1)]);
      tries += 1;
    }

    // ── sending ─────────────────────────────────────────────────────────────────────────────────────────────
    // First saved and then submitted: so nothing is lost where the network goes just now.
    async function submit() {
      say("Sending …");
      button.setAttribute("aria-busy", "true");
      if (!over) store.write(state());
      if (sending) await sending;
      await save();
      if (over || tries > 0) return stay();
      over = true;
      const effort = takeEffort();
      form.elements.active_seconds.value = effort.active_seconds;
      form.elements.edits.value = effort.edits;
      form.submit();
      // Where no answer comes, the page stays as it is, and may be sent again.
      setTimeout(() => { over = false; stay(); }, TIMEOUT);
      return undefined;
    }

    function stay() {
      delete form.dataset.sent;
      button.removeAttribute("aria-busy");
      if (!over) say("Not sent yet: no answer. It is kept here; send it again.", true);
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (form.dataset.sent) return;
      form.dataset.sent = "yes";
      submit();
    });
    form.addEventListener("input", () => {
      // Whoever was warned and then wrote something else is to be warned of that.
      form.elements.confirmed.value = "";
      changed();
    });
    for (const sign of ["keydown", "pointerdown", "pointermove", "scroll", "wheel", "touchstart"]) {
      addEventListener(sign, () => { lastSign = Date.now(); }, { passive: true, capture: true });
    }
    setInterval(tick, 1000);
    addEventListener("online", () => { if (dirty) save(); });
    addEventListener("pagehide", () => {
      if (!over && dirty) request(state(), takeEffort(), { keepalive: true }).catch(() => undefined);
    });

    // ── beginning ───────────────────────────────────────────────────────────────────────────────────────────
    const kept = store.read();
    if (kept && Array.isArray(kept.answers) && kept.answers.length === parts.length && kept.at > Number(form.elements.at.value)) put(kept);
    parts.forEach(count);
    // What stands there already is saved once more, so that its quotes are counted.
    if (parts.some((part) => part.querySelector("[data-text]")?.value)) {
      dirty = true;
      later(0);
    }
  }

  begin();
})();
