// What HTML alone does not do: copying, times that go on counting, closing a panel with Escape, and saying that the door is shut.
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
