"use strict";
// The talk page: quotes taken from the text by selecting them, words and quotes counted while one writes, autosave, and
// word that it is one's turn. Without this script the page is a plain form, and works as one.

(() => {
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
  let written = null;

  function begin() {
    const form = page()?.querySelector("[data-talk]");
    if (!form || form === written) return;
    written = form;
    write(form);
  }

  function write(form) {
    const parts = [...form.querySelectorAll("[data-ask]")];
    const answer = (part) => ({
      path: part.dataset.ask,
      text: part.querySelector("[data-text]")?.value ?? "",
      p: [...part.querySelectorAll("[data-share]")].map((field) => field.value),
      pick: part.querySelector("[type=radio]:checked")?.value ?? "",
      rating: part.querySelector("[name$='.rating']")?.value ?? "",
    });

    const knows = form.elements.knows_story;
    const saving = autosave.begin(form, {
      what: parts.map((part) => part.dataset.ask).join(),
      read: () => ({ answers: parts.map(answer), knows_story: knows?.checked ?? false }),
      fits: (kept) => Array.isArray(kept.answers) && kept.answers.length === parts.length,
      put,
      show: () => parts.forEach(count),
      saved: ({ counts }) => parts.forEach((part) => countQuotes(part, counts[part.dataset.ask])),
      // Effort is put into the page as a whole.
      effort: ([{ step, ...whole } = { active_seconds: 0, focus_changes: 0, edits: 0 }]) => whole,
      words: { doing: "Sending …", done: "sent", again: "send it again", lost: "this seat is no longer yours" },
    });

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
      saving.edited();
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

    form.addEventListener("input", () => {
      // Whoever was warned and then wrote something else is to be warned of that.
      form.elements.confirmed.value = "";
      saving.edited();
    });
    saving.restore();
    // What stands there already is saved once more, so that its quotes are counted.
    if (parts.some((part) => part.querySelector("[data-text]")?.value)) saving.saveSoon();
  }

  begin();
})();
