"use strict";
// Sends a file in the background and shows how much of it has arrived. Without this script the form is a plain form.
(() => {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-upload]");
    if (!form) return;
    event.preventDefault();
    const sending = form.querySelector(".sending"), bar = sending.querySelector("progress");
    const said = sending.querySelector("[data-said]"), button = form.querySelector("button:not([type])");
    const finish = (words) => { button.disabled = false; button.removeAttribute("aria-busy"); said.textContent = words; };
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => {
      bar.value = (100 * loaded) / total;
      said.textContent = `${Math.round(bar.value)}% of ${(total / 2 ** 20).toFixed(1)} MB sent`;
    };
    request.upload.onload = () => {
      bar.removeAttribute("value");
      said.textContent = "Checking every line and saving";
    };
    request.onerror = () => { bar.value = 0; finish("The file did not arrive, and nothing was imported: try again."); };
    request.onload = () => {
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const main = page.querySelector("main");
      if (!main) { bar.value = 0; finish(request.responseText.slice(0, 300)); return; }
      document.title = page.title;
      document.querySelector("main").replaceWith(document.adoptNode(main));
      document.querySelector("main").focus();
    };
    request.open("POST", form.action);
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    sending.hidden = false;
    request.send(new FormData(form));
  });
})();
