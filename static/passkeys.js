// Passkeys: a form says in `data-asked` what the browser is asked for, and sends on what it answers.
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const listed = (known) => (known ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

  const made = async (asked) => navigator.credentials.create({
    publicKey: {
      ...asked,
      challenge: bytes(asked.challenge),
      user: { ...asked.user, id: bytes(asked.user.id) },
      excludeCredentials: listed(asked.excludeCredentials),
    },
  });
  const found = async (asked) => navigator.credentials.get({
    publicKey: { ...asked, challenge: bytes(asked.challenge), allowCredentials: listed(asked.allowCredentials) },
  });
  const answer = ({ id, rawId, type, response }) => {
    const parts = {};
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[part]) parts[part] = text(response[part]);
    }
    return JSON.stringify({ id, rawId: text(rawId), type, response: parts, clientExtensionResults: {} });
  };
  const REASONS = {
    NotAllowedError: "The browser made or found no passkey: it was called off, or took too long. Try again.",
    InvalidStateError: "This device holds a passkey of yours already; it needs no other.",
    SecurityError: "The browser uses no passkeys at this address.",
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-passkey]");
    if (!form) return;
    event.preventDefault();
    const [button, wrong] = [form.querySelector("button"), form.querySelector("[data-passkey-wrong]")];
    button.disabled = true;
    wrong.hidden = true;
    try {
      const asked = JSON.parse(form.dataset.asked).publicKey;
      form.elements.answer.value = answer(await (form.dataset.passkey === "create" ? made(asked) : found(asked)));
      form.submit();
    } catch (refused) {
      wrong.textContent = REASONS[refused.name] ?? "This browser knows no passkeys; use another second factor.";
      wrong.hidden = false;
      button.disabled = false;
    }
  });
})();
