(() => {
  const root = document.querySelector(".console");
  if (!root) return;
  const all = (what, at = document) => [...at.querySelectorAll(what)];

  // Keys: j, k, enter, / and ?. They can be switched off, as WCAG 2.1.4 asks.
  const on = document.getElementById("keys-on");
  const kept = (value) => { try { return value === undefined ? localStorage.getItem("ticket-keys") : localStorage.setItem("ticket-keys", value); } catch { return null; } };
  on.checked = kept() !== "off";
  on.addEventListener("change", () => kept(on.checked ? "on" : "off"));
  const go = (step) => {
    const links = all("tbody .subject, .hits .subject");
    const at = links.findIndex((a) => a === document.activeElement || a.closest("tr, li").classList.contains("here"));
    const next = links[Math.min(Math.max(at + step, 0), links.length - 1)];
    if (!next) return;
    all(".here").forEach((row) => row.classList.remove("here"));
    next.closest("tr, li").classList.add("here");
    next.focus();
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !on.checked || e.target.closest("input, textarea, select")) return;
    const act = { j: () => go(1), k: () => go(-1), "/": () => document.getElementById("q").focus(), "?": () => document.getElementById("keys").togglePopover() }[e.key];
    if (act) { e.preventDefault(); act(); }
  });

  // The page stays up to date by events of the server. A form in use is never touched.
  const { events, off, connected: live, changed, eyes } = root.dataset;
  if (!events || !window.EventSource) return;
  const tell = (text, warn) => all("[data-state]").forEach((el) => { el.textContent = text; el.hidden = !text; el.classList.toggle("warn", !!warn); });
  const used = (form) => form.contains(document.activeElement) || form.querySelector(".summary") || [...form.elements].some((el) =>
    el.type === "checkbox" || el.type === "radio" ? el.checked !== el.defaultChecked :
      el.tagName === "SELECT" ? el.selectedIndex !== Math.max(0, [...el.options].findIndex((o) => o.defaultSelected)) :
        el.type === "file" ? el.files.length : el.type !== "hidden" && el.value !== el.defaultValue);
  const busy = (part) => part.querySelector("details[open]") || all("form", part).some((f) => f.matches("[data-form]") ? used(f) : f.querySelector(":checked:not(option), :focus:not(a)"));
  const here = document.querySelector("[data-ticket]");
  let timer, running = false, again = false;
  const refresh = async () => {
    if (running) { again = true; return; }
    running = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of all("[data-fresh]")) {
        const now = page.querySelector(`[data-fresh="${part.dataset.fresh}"]`);
        if (!now || now.innerHTML === part.innerHTML) continue;
        if (busy(part)) { if (part.dataset.fresh === "act") tell(changed, true); continue; }
        const focus = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
        const row = part.querySelector(".here .subject");
        const mark = row && row.getAttribute("href");
        part.innerHTML = now.innerHTML;
        for (const a of all("a", part)) {
          if (a.getAttribute("href") === mark && a.matches(".subject")) a.closest("tr, li").classList.add("here");
          if (a.getAttribute("href") === focus) a.focus();
        }
      }
    } catch { /* the stream says that the connection is gone */ } finally {
      running = false;
      if (again) { again = false; soon(); }
    }
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(refresh, 300 + Math.random() * 1200); };
  let stream;
  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(events);
    let first = true;
    stream.addEventListener("open", () => { tell(here ? "" : live); if (!first || root.dataset.lost) refresh(); first = false; delete root.dataset.lost; });
    stream.addEventListener("error", () => {
      root.dataset.lost = "1";
      tell(off, true);
      if (stream && stream.readyState === 2) { stream = null; setTimeout(open, 10000); }
    });
    stream.addEventListener("reset", refresh);
    stream.addEventListener("change", (e) => { if (!here || JSON.parse(e.data).ticket === here.dataset.ticket) soon(); });
    stream.addEventListener("looking", (e) => all("[data-looking]").forEach((el) => {
      el.replaceChildren(...JSON.parse(e.data).map((who) => Object.assign(document.createElement("span"), { className: "chip warn", textContent: eyes.replace("{who}", who) })));
    }));
  };
  // A hidden page holds no connection: browsers have few for one server.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (stream) stream.close(); stream = null; root.dataset.lost = "1"; } else open();
  });
  open();
})();
