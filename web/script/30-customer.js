(() => {
  // Known problems while the form is filled in.
  const form = document.querySelector("form[data-known]");
  if (form) {
    let timer, last = "";
    form.addEventListener("input", (e) => {
      if (e.target.name !== "subject" && e.target.name !== "message") return;
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const words = new URLSearchParams({ subject: form.subject.value, message: form.message.value });
        if (String(words) === last || form.subject.value.length + form.message.value.length < 8) return;
        last = String(words);
        const answer = await fetch(form.dataset.known, { method: "POST", body: words }).catch(() => null);
        const at = document.getElementById("known");
        if (!answer || !answer.ok || at.contains(document.activeElement)) return;
        at.innerHTML = await answer.text();
      }, 700);
    });
  }

  // Files that are too large are told before they are sent.
  for (const input of document.querySelectorAll("input[type=file][data-max]")) {
    input.addEventListener("change", () => {
      const size = [...input.files].reduce((sum, f) => sum + f.size, 0);
      input.setCustomValidity(size > Number(input.dataset.max) ? input.dataset.large : "");
      input.reportValidity();
    });
    input.form.addEventListener("submit", (e) => {
      if (!input.checkValidity()) { e.preventDefault(); input.reportValidity(); }
    });
  }

  // The status and the conversation stay up to date. A form is never touched.
  const parts = [...document.querySelectorAll("[data-live]")];
  if (!parts.length || location.search.includes("before=")) return;
  const update = async () => {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    let news = false;
    for (const part of parts) {
      const now = page.getElementById(part.id);
      if (!now || part.contains(document.activeElement) || part.querySelector("details[open]")) continue;
      const said = part.querySelectorAll(".say, [aria-current]").length;
      const step = part.querySelector("[aria-current]")?.textContent;
      part.innerHTML = now.innerHTML;
      news ||= said !== part.querySelectorAll(".say, [aria-current]").length || step !== part.querySelector("[aria-current]")?.textContent;
    }
    const announce = document.getElementById("announce");
    if (news && announce) announce.textContent = announce.dataset.text;
  };
  setInterval(update, 30000);
  document.addEventListener("visibilitychange", update);
})();
