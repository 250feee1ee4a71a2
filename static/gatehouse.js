// What HTML alone does not do: copying, saving what is shown as a file, times that go on counting, closing a panel with
// Escape, choosing all, keeping what was chosen when the list is fetched anew, and saying that the door is shut.
"use strict";

(() => {
  const notices = () => document.getElementById("notices");
  document.documentElement.classList.add("scripted");

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      } catch {
        getSelection().selectAllChildren(source);
      }
    }
    // What stands on the page becomes a file without a request, so that a secret is in no address.
    const saved = event.target.closest("[data-save]");
    if (saved) {
      const text = document.getElementById(saved.dataset.save).textContent;
      saved.href = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
      setTimeout(() => { URL.revokeObjectURL(saved.href); }, 60000);
    }
    for (const open of document.querySelectorAll("details.verb[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.verb[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });

  const units = [[86400, "day"], [3600, "h"], [60, "min"]];
  const distance = (at) => {
    const seconds = (Date.now() - at) / 1000;
    const found = units.find(([size]) => Math.abs(seconds) >= size);
    if (!found) return seconds >= 0 ? "just now" : "in a moment";
    const number = seconds >= 0 ? Math.floor(seconds / found[0]) : Math.round(-seconds / found[0]);
    const words = `${number} ${found[1]}${found[1] === "day" && number > 1 ? "s" : ""}`;
    return seconds >= 0 ? `${words} ago` : `in ${words}`;
  };
  setInterval(() => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const words = distance(Date.parse(time.dateTime));
      if (time.textContent !== words) time.textContent = words;
    }
  }, 15000);

  const boxes = () => [...document.querySelectorAll("input[name=chosen]")];
  const recount = () => {
    const count = document.getElementById("chosen-count");
    if (!count) return;
    const ticked = boxes().filter((box) => box.checked).length;
    count.value = ticked;
    const all = document.querySelector("[data-choose-all]");
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && !all.checked;
  };
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-choose-all]")) {
      for (const box of boxes()) box.checked = target.checked;
    } else if (target.name !== "chosen") return;
    const those = document.querySelector("#bulk [name=which][value=chosen]");
    if (those) those.checked = true;
    recount();
  });
  // A box is named by the device and its revision: one that has changed meanwhile is not ticked again unseen.
  let chosen = new Set();
  document.addEventListener("htmx:beforeSwap", () => {
    chosen = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const box of boxes()) box.checked = box.checked || chosen.has(box.value);
    recount();
  });
  recount();

  const isPoll = (detail) => "X-Gatehouse-Poll" in (detail.requestConfig?.headers ?? {});
  const shut = () => {
    if (notices().querySelector(".shut")) return;
    const notice = document.createElement("div");
    notice.className = "notice refusal shut";
    notice.textContent = "Gatehouse does not answer; nothing was changed. This page goes on when it is back.";
    notices().replaceChildren(notice);
  };
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (!isPoll(detail)) notices().replaceChildren();
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    // An answer without a place of its own is the door's, not the portal's.
    if (detail.xhr.status >= 400 && !detail.xhr.getResponseHeader("HX-Retarget")) {
      detail.shouldSwap = false;
      shut();
    }
  });
  document.addEventListener("htmx:sendError", shut);
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.xhr.status > 0 && detail.xhr.status < 400) notices().querySelector(".shut")?.remove();
  });
})();
