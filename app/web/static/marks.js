"use strict";
// The page on which a judge accepts or rejects the points of a critique: what was chosen is saved as one goes.

(() => {
  const form = document.querySelector("[data-marks]");
  const marks = [...form.querySelectorAll("select")];
  const saving = autosave.begin(form, {
    what: form.elements.path.value,
    read: () => ({ path: form.elements.path.value, marks: marks.map((field) => field.value) }),
    fits: (kept) => Array.isArray(kept.marks) && kept.marks.length === marks.length,
    put: (kept) => marks.forEach((field, place) => { field.value = kept.marks[place]; }),
    show: () => undefined,
    effort: (efforts) => ({ efforts }),
    words: { doing: "Submitting …", done: "submitted", again: "submit again", lost: "this trial is no longer with you" },
  });
  form.addEventListener("change", saving.edited);
  saving.restore();
})();
