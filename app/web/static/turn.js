"use strict";
// The page of a turn, for judges and for people in talks: autosave that outlives reloads and lost networks, effort by step,
// and what each part of the page needs: steps that open one by one, sliders that share 100, words and quotes that are
// counted, a text to quote from, keys, a clock, word that it is one's turn. Without this script the page is a plain form.

// At once, before anything is painted: what is to be opened step by step is hidden by the style sheet from here on.
document.documentElement.classList.add("scripted");

(() => {
  const TAG = /<\s*\/?\s*quote\s*>/gi;
  const WORST = 1e-4;
  const trialWords = () => ({
    doing: _("Submitting …"),
    already: _("This was submitted already: load the page again to go on."),
    again: _("Not submitted yet: no answer. It is kept here; submit again."),
    saved: _("Saved, but not submitted yet: submit again."),
    lost: _("Not saved: this trial is no longer with you."),
  });
  const talkWords = () => ({
    doing: _("Sending …"),
    already: _("This was sent already: load the page again to go on."),
    again: _("Not sent yet: no answer. It is kept here; send it again."),
    saved: _("Saved, but not sent yet: send it again."),
    lost: _("Not saved: this seat is no longer yours."),
  });
  const page = () => document.getElementById("turn");
  // As app/protocols/writing.py counts: words or, in scripts without spaces, characters of which two or three are one.
  const TWO = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\u30fc\uff70]/u;
  const THREE = /^[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Tai_Tham}\p{Script=New_Tai_Lue}\p{Script=Tai_Le}\p{Script=Tai_Viet}]/u;
  const counted = (text) => {
    const plain = text.replace(TAG, "");
    const pieces = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(plain)].map((piece) => piece.segment);
    if (!pieces.some((piece) => TWO.test(piece) || THREE.test(piece))) return (plain.match(/\S+/g) || []).length;
    let parts = 0;
    let run = "";
    for (const piece of [...pieces, " "]) {
      const worth = TWO.test(piece) ? 3 : THREE.test(piece) ? 2 : 0;
      if (!worth && piece.trim()) run += piece;
      else {
        if (/[\p{L}\p{N}]/u.test(run)) parts += 6;
        run = "";
        parts += worth;
      }
    }
    return Math.ceil(parts / 6);
  };
  let begun = null;

  addEventListener("DOMContentLoaded", () => {
    try {
      begin();
      clocks();
    } catch (error) {
      document.documentElement.classList.remove("scripted");
      throw error;
    }
  });

  // ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────
  // htmx brings the new page; here it is announced to screen readers, and the text stays where it was scrolled to.
  let scrolled = 0;
  addEventListener("htmx:beforeSwap", () => { scrolled = page().querySelector("[data-passage]")?.scrollTop ?? 0; });
  addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id === "others") return;
    clocks();
    const passage = page().querySelector("[data-passage]");
    if (passage) passage.scrollTop = scrolled;
    const turn = page().dataset.turn;
    if (turn === "no" || turn === "room") return;
    const news = turn === "yes" ? _("It is your turn.") : _("This talk has ended.");
    document.querySelector("[data-news]").textContent = news;
    document.title = `● ${news} · ${document.title.split(" · ").at(-1)}`;
    begin();
  });

  // The time left, without alarm; the server counts for itself. Where a time has a grace, what follows is said once, and the
  // page is loaded anew after it.
  const announce = (text) => { document.querySelector("[data-news]").textContent = text; };
  const clocks = () => document.querySelectorAll("[data-clock]").forEach(countDown);

  function countDown(clock) {
    if (clock.dataset.runs) return;
    clock.dataset.runs = "yes";
    const end = performance.now() + 1000 * Number(clock.dataset.clock);
    const grace = clock.dataset.grace === undefined ? null : Number(clock.dataset.grace);
    const room = clock.closest(".room") !== null;
    let said = "";
    const once = (key, text) => {
      if (said !== key) announce(text);
      said = key;
    };
    const show = () => {
      if (!clock.isConnected) return;
      const left = Math.ceil((end - performance.now()) / 1000);
      if (room) clock.textContent = minutes(Math.max(left, 0));
      else if (grace === null) clock.textContent = ` ${left > 0 ? _("%(seconds)s s left.", { seconds: left }) : _("The time is over.")}`;
      else inTurn(left);
      if (left > 0 || grace !== null) setTimeout(show, 1000);
    };
    const inTurn = (left) => {
      clock.previousElementSibling.hidden = true;
      clock.textContent = left > 0
        ? _("Time for this turn: %(time)s left.", { time: minutes(left) })
        : _("The time is over: %(seconds)s s to send it.", { seconds: Math.max(left + grace, 0) });
      if (left <= 0) once("over", _("The time is over. You can still send it for %(seconds)s seconds.", { seconds: grace }));
      else if (left <= 10) once("seconds", _("Ten seconds left."));
      else if (left <= 60) once("minute", _("One minute left."));
      if (left + grace < -1) location.reload();
    };
    show();
  }
  const minutes = (left) => `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;

  // ── one form ────────────────────────────────────────────────────────────────────────────────────────────────
  function begin() {
    const form = page()?.querySelector("[data-form]");
    if (!form || form === begun) return;
    begun = form;
    const parts = [...form.querySelectorAll("[data-ask]")];
    const fields = [...form.querySelectorAll("[data-field]")];
    const tick = (field) => field.type === "checkbox";
    const entered = () => fields.map((field) => [field.name, tick(field) ? field.checked : field.value]);
    const chosen = (part) => part.querySelector("select[data-pick]") ?? part.querySelector("[data-pick]:checked");
    const answer = (part) => ({
      path: part.dataset.ask,
      text: part.querySelector("[data-text]")?.value ?? "",
      p: [...part.querySelectorAll("[data-share]")].map((field) => field.value),
      pick: chosen(part)?.value ?? "",
      rating: part.querySelector("[data-rating]")?.value ?? "",
    });
    const steps = stepsOf(form, () => saving);
    const belief = form.querySelector("[data-belief]");
    const sliders = belief && slidersOf(belief);

    const saving = autosave.begin(form, {
      what: parts.map((part) => part.dataset.ask).join(),
      read: () => ({ answers: parts.map(answer), ...Object.fromEntries(entered()), step: steps.now() }),
      fits: (kept) => Array.isArray(kept.answers) && kept.answers.length === parts.length,
      put,
      show: () => {
        parts.forEach(count);
        sliders?.show();
      },
      saved: ({ counts }) => parts.forEach((part) => countQuotes(part, counts[part.dataset.ask])),
      step: steps.now,
      hold: steps.unread,
      effort: (efforts) => ({ efforts }),
      words: form.dataset.for === "talk" ? talkWords() : trialWords(),
    });

    function put(kept) {
      kept.answers.forEach((was, at) => {
        const part = parts[at];
        const text = part.querySelector("[data-text]");
        if (text) text.value = was.text;
        part.querySelectorAll("[data-share]").forEach((field, place) => { field.value = was.p[place] ?? field.value; });
        part.querySelectorAll("[type=radio]").forEach((field) => { field.checked = field.value === was.pick; });
        const select = part.querySelector("select[data-pick]");
        if (select) select.value = was.pick;
        const rating = part.querySelector("[data-rating]");
        if (rating) rating.value = was.rating;
      });
      fields.filter((field) => field.name in kept).forEach((field) => {
        field[tick(field) ? "checked" : "value"] = kept[field.name];
      });
      steps.reach(kept.step ?? 1);
    }

    quoting(form, () => saving);
    form.addEventListener("input", () => {
      // A person who was warned and then writes something else is warned again.
      form.elements.confirmed.value = "";
      saving.edited();
    });
    steps.begin();
    if (sliders) keysOf(form, steps, sliders);
    saving.restore();
    // Text that is there already is saved once more, so that its quotes are counted.
    if (parts.some((part) => part.querySelector("[data-quotable]")?.value)) saving.saveSoon();
  }

  // ── what is counted ─────────────────────────────────────────────────────────────────────────────────────────
  function count(part) {
    const text = part.querySelector("[data-text]");
    const line = part.querySelector("[data-counts]");
    if (!text || !line) return;
    line.hidden = false;
    const words = part.querySelector("[data-words]");
    const each = Number(part.dataset.each || 1);
    const most = each * Number(part.dataset.most || 0);
    const here = each * counted(text.value);
    const unit = part.dataset.unit;
    words.textContent = most ? _("%(here)s of at most %(most)s %(unit)s", { here, most, unit }) : `${here} ${unit}`;
    if (most && here > most) words.textContent += `: ${_("%(count)s too many", { count: here - most })}`;
    words.classList.toggle("over", most > 0 && here > most);
  }

  function countQuotes(part, found) {
    const line = part.querySelector("[data-quotes]");
    const wrong = part.querySelector("[data-wrong]");
    if (!line || !found) return;
    const most = line.dataset.most;
    const checked = found.quotes === 1
      ? _("%(found)s of 1 quote found", { found: found.found })
      : _("%(found)s of %(quotes)s quotes found", { found: found.found, quotes: found.quotes });
    const characters = most
      ? _("%(count)s of %(most)s new characters", { count: found.characters, most })
      : _("%(count)s new characters", { count: found.characters });
    line.textContent = `· ${checked}, ${characters}`;
    wrong.hidden = !found.doubts.length;
    wrong.replaceChildren(...found.doubts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  }

  // ── quoting ─────────────────────────────────────────────────────────────────────────────────────────────────
  function quoting(form, saving) {
    const passage = page().querySelector("[data-passage]");
    const offered = page().querySelector("[data-quoting]");
    let speech = form.querySelector("[data-quotable]");
    if (!offered || !speech || !passage) return;
    // Where the writer was last: browsers forget it as soon as words are selected elsewhere.
    let caret = [speech.value.length, speech.value.length];
    form.querySelectorAll("[data-quotable]").forEach((field) => {
      for (const sign of ["focus", "input", "keyup", "pointerup"]) {
        field.addEventListener(sign, () => { [speech, caret] = [field, [field.selectionStart, field.selectionEnd]]; });
      }
    });

    function selected() {
      const selection = getSelection();
      if (!selection.rangeCount) return "";
      const range = selection.getRangeAt(0);
      return passage.contains(range.commonAncestorContainer) ? range.toString().trim() : "";
    }

    function quote() {
      const notice = page().querySelector("[data-quoted]");
      const words = selected();
      if (!words) {
        notice.textContent = _("Select words in the text first.");
        return;
      }
      if (counted(words) < 4) {
        notice.textContent = _("At least four words in a row make a quote: 8 characters of Chinese or Japanese, 12 of Thai.");
        return;
      }
      const before = speech.value.slice(0, caret[0]);
      const after = speech.value.slice(caret[1]);
      const space = before && !/\s$/.test(before) ? " " : "";
      const added = `${space}<quote>${words.replace(/\s+/g, " ")}</quote>`;
      const over = before.length + added.length + after.length - speech.maxLength;
      if (speech.maxLength > 0 && over > 0) {
        notice.textContent = _("There is no room for it: your text would be %(over)s characters too long.", { over });
        return;
      }
      speech.value = before + added + after;
      speech.focus();
      speech.selectionStart = speech.selectionEnd = before.length + added.length;
      caret = [speech.selectionStart, speech.selectionEnd];
      notice.textContent = _("Quoted.");
      form.elements.confirmed.value = "";
      saving().edited();
    }

    offered.hidden = false;
    const press = offered.querySelector("[data-quote]");
    // Else the selection would go as the button takes the focus.
    press.addEventListener("mousedown", (event) => event.preventDefault());
    press.addEventListener("click", quote);
    document.onkeydown = (event) => {
      if (!event.altKey || event.code !== "KeyQ" || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      quote();
    };
  }

  // ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────
  function stepsOf(form, saving) {
    const onward = document.querySelector("[data-onward]");
    const opening = onward ? [...document.querySelectorAll("[data-step]")] : [];
    const steps = Math.max(0, ...opening.map((part) => Number(part.dataset.step)));
    const now = () => Number(form.elements.step.value);
    const more = () => now() < steps;

    function reveal(to) {
      saving().tick();
      form.elements.step.value = Math.max(1, Math.min(to, steps || 1));
      opening.forEach((part) => part.classList.toggle("later", Number(part.dataset.step) > now()));
      if (!onward) return;
      onward.hidden = !more();
      document.querySelector("[data-progress]").textContent = more()
        ? _("%(count)s of %(all)s steps shown", { count: now(), all: steps })
        : _("All steps are shown.");
    }

    function goOn() {
      if (!more()) return;
      reveal(now() + 1);
      saving().changed();
      const next = opening.find((part) => Number(part.dataset.step) === now()).querySelector("[data-speech]");
      if (next) next.focus();
    }

    function unread() {
      if (!more()) return false;
      saving().say(_("There is more to read first: open the next step."), true);
      onward.focus();
      return true;
    }

    return {
      now, more, goOn, unread,
      reach(step) { if (step > now()) reveal(step); },
      begin() {
        if (onward) onward.addEventListener("click", goOn);
        reveal(now());
      },
    };
  }

  // ── sliders and scores ──────────────────────────────────────────────────────────────────────────────────────
  function slidersOf(belief) {
    const shares = [...belief.querySelectorAll("[data-share]")];
    const sliders = [...belief.querySelectorAll("[data-slider]")];
    const would = [...belief.querySelectorAll("[data-would]")];
    const number = (field) => Math.min(100, Math.max(0, Number(field.value) || 0));
    const neat = (value) => String(Math.round(value * 100) / 100);
    const price = belief.querySelector("[data-price]");
    const said = price.textContent;
    const wanted = belief.querySelector("[data-wanted]");
    wanted.id = "wanted";
    // The others keep the proportions that they had when the judge came to this answer, also by way of 100 and back.
    let base = shares.map(number);
    let focused = -1;

    function show() {
      shares.forEach((field, at) => {
        const points = String(Math.round(100 + 50 * Math.log2(Math.max(number(field) / 100, WORST)))).replace("-", "−");
        sliders[at].value = number(field);
        sliders[at].setAttribute("aria-valuetext", _("%(share)s; %(points)s points if right", { share: neat(number(field)), points }));
        would[at].querySelector("[data-points]").textContent = field.value !== "" && field.validity.valid ? points : "–";
      });
      price.textContent = shares.some((field) => field.value !== "" && field.validity.valid && number(field) / 100 <= WORST) ? said : "";
    }

    // What is wanted is said beside the field at once, and nothing that was typed is changed.
    function check(field, at) {
      const wrong = !field.validity.valid && (field.value !== "" || field.validity.badInput);
      field.toggleAttribute("data-wrong", wrong);
      if (wrong) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      const letters = shares.flatMap((other, place) => (other.hasAttribute("data-wrong") ? String.fromCharCode(65 + place) : []));
      const text = letters.length ? _("%(letters)s: give a number from 0 to 100.", { letters: letters.join(", ") }) : "";
      if (wanted.textContent !== text) wanted.textContent = text;
      field.setAttribute("aria-describedby", wanted.id);
    }

    function share(moved, value) {
      if (moved !== focused) [focused, base] = [moved, shares.map(number)];
      const others = shares.map((field, at) => at).filter((at) => at !== moved);
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

    // The form hears of every input after this, and saves.
    sliders.forEach((slider, at) => {
      slider.hidden = false;
      slider.addEventListener("input", () => {
        share(at, Number(slider.value));
        shares[at].value = slider.value;
      });
      slider.addEventListener("focus", () => { [focused, base] = [at, shares.map(number)]; });
    });
    shares.forEach((field, at) => {
      // While the judge types, the field itself has lost its old number: the proportions are those from before.
      field.addEventListener("focus", () => { [focused, base] = [at, shares.map(number)]; });
      field.addEventListener("input", () => {
        if (field.value !== "" && field.validity.valid) share(at, number(field));
        shares.forEach(check);
      });
    });
    would.forEach((line) => { line.hidden = false; });
    belief.querySelector("[data-legend]").hidden = false;
    return { show, shares, sliders };
  }

  // ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────
  function keysOf(form, steps, { shares, sliders }) {
    const reason = form.querySelector("[data-text]");
    const keys = document.querySelector("[data-keys-dialog]");
    const button = form.querySelector("[data-submit]");
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
      if (to >= open.length && steps.more()) return steps.goOn();
      if (!open.length) return undefined;
      speech = Math.min(Math.max(to, 0), open.length - 1);
      return open[speech].focus();
    }
    // A key never submits by itself: it leads to the button, which asks no more of a key than of a mouse.
    function finish() {
      if (!steps.unread()) button.focus();
    }
    const shortcuts = {
      n: () => go(speech + 1),
      p: () => go(speech - 1),
      r: () => reason.focus(),
      s: finish,
      "?": () => keys.showModal(),
    };
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
      if (document.querySelector("dialog[open]")) return;
      if (event.key === "Enter" && shares.includes(event.target)) {
        // A browser would submit here.
        event.preventDefault();
        finish();
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
    document.querySelectorAll("dialog [data-close]").forEach((close) => close.addEventListener("click", () => close.closest("dialog").close()));
    const shown = document.querySelector("[data-keys]");
    shown.hidden = false;
    shown.addEventListener("click", () => keys.showModal());
  }
})();
