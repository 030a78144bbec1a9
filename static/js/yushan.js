// What templates ask for by attributes; pages work without it, only with more clicks.
(() => {
  "use strict";
  const root = document.documentElement;
  const on = (type, selector, act) =>
    document.addEventListener(type, (event) => {
      const found = event.target instanceof Element && event.target.closest(selector);
      if (found) act(found, event);
    });

  // data-theme-choice="light|dark|auto"
  const markTheme = () =>
    document.querySelectorAll("[data-theme-choice]").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === (root.dataset.theme || "auto"))));
  on("click", "[data-theme-choice]", (button) => {
    const choice = button.dataset.themeChoice;
    if (choice === "auto") {
      delete root.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      root.dataset.theme = choice;
      localStorage.setItem("theme", choice);
    }
    markTheme();
  });

  // details.menu: one open at a time; closed by Escape and by a click elsewhere
  document.addEventListener("click", (event) =>
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  // data-copy="#id" copies what stands there; data-copied is what it says then
  const copy = async (text, source) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // no clipboard without HTTPS, except on this machine: select it and use the old way
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
  };
  on("click", "[data-copy]", async (button) => {
    const source = document.querySelector(button.dataset.copy);
    await copy(source.textContent.trim(), source);
    const before = button.textContent;
    button.textContent = button.dataset.copied || "✓";
    setTimeout(() => { button.textContent = before; }, 1600);
  });

  // data-download="#id" data-filename="x.pem" saves what stands there, without asking the server again
  on("click", "[data-download]", (button) => {
    const text = document.querySelector(button.dataset.download).textContent.trim() + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-pem-file" }));
    link.download = button.dataset.filename;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  on("click", "[data-open-dialog]", (button) => document.querySelector(button.dataset.openDialog).showModal());

  // data-read-into="#textarea": a text file becomes visible there; another is sent as it is, named in data-name-into
  on("change", "input[data-read-into]", async (input) => {
    const [file] = input.files;
    const name = document.querySelector(input.dataset.nameInto);
    const area = document.querySelector(input.dataset.readInto);
    name.value = file ? file.name : "";
    if (file && file.size <= 65536) {
      try {
        area.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
        input.value = name.value = "";
      } catch { /* not text */ }
    }
    area.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // data-once: a second press while the first is on its way does nothing
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => document.querySelectorAll("[data-once]").forEach((form) => { delete form.dataset.sent; }));

  // data-refresh-on-return="/path/": looked at again after a while elsewhere, it is brought up to date
  let leftAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leftAt = Date.now();
    else if (Date.now() - leftAt > 5000) {
      document.querySelectorAll("[data-refresh-on-return]").forEach((part) =>
        htmx.ajax("GET", part.dataset.refreshOnReturn, { target: `#${part.id}`, swap: "outerHTML" }));
    }
  });

  on("click", "[data-dismiss]", (button) => button.closest(".notice").remove());
  on("click", "[data-close-dialog]", (button, event) => {
    const dialog = button.closest("dialog");
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
  });

  // data-pick-all ticks the boxes of its form that have data-pick; buttons with data-needs-pick wait for one
  const refreshPicks = (form) => {
    const boxes = [...form.querySelectorAll("input[data-pick]")];
    const picked = boxes.filter((box) => box.checked).length;
    form.querySelectorAll("[data-needs-pick]").forEach((button) => { button.disabled = picked === 0; });
    form.querySelectorAll("[data-picked-count]").forEach((count) => { count.textContent = picked ? String(picked) : ""; });
    form.querySelectorAll("[data-pick-all]").forEach((all) => {
      all.checked = picked > 0 && picked === boxes.length;
      all.indeterminate = picked > 0 && picked < boxes.length;
    });
  };
  on("change", "[data-pick-all]", (all) => {
    all.form.querySelectorAll("input[data-pick]").forEach((box) => { box.checked = all.checked; });
    refreshPicks(all.form);
  });
  on("change", "input[data-pick]", (box) => refreshPicks(box.form));

  // data-autosubmit: a choice takes effect at once
  on("change", "[data-autosubmit]", (control) => control.form.requestSubmit());

  // data-stick: a console stays at its end while new lines come, unless its reader scrolled away
  const stuck = new Map();
  const remember = () => document.querySelectorAll("[data-stick]").forEach((pane) =>
    stuck.set(pane.id, [pane.scrollHeight - pane.scrollTop - pane.clientHeight < 24, pane.scrollTop]));
  const stick = () => document.querySelectorAll("[data-stick]").forEach((pane) => {
    const [atEnd, top] = stuck.get(pane.id) || [true, 0];
    pane.scrollTop = atEnd ? pane.scrollHeight : top;
  });

  let picked = new Set();
  let hadFocus = false;
  document.addEventListener("htmx:beforeSwap", (event) => {  // what was picked stays so, until it has been acted on
    remember();
    hadFocus = document.activeElement !== document.body;
    const boxes = event.detail.requestConfig.verb === "post" ? [] : document.querySelectorAll("input[data-pick]:checked");
    picked = new Set([...boxes].map((box) => box.value));
  });
  const settle = () => {
    const dialog = document.querySelector("#dialog dialog");
    if (dialog && !dialog.open) {
      dialog.addEventListener("close", () => dialog.remove());
      dialog.showModal();
    }
    document.querySelectorAll("input[data-pick]").forEach((box) => { if (picked.has(box.value)) box.checked = true; });
    document.querySelectorAll("form:has(input[data-pick])").forEach(refreshPicks);
    stick();
    markTheme();
    // What had the focus is gone with its part of the page: go on from the beginning of the content
    if (hadFocus && document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
    hadFocus = false;
  };
  document.addEventListener("htmx:afterSettle", settle);
  document.addEventListener("DOMContentLoaded", settle);

  // A poll that fails says so once, and goes on when the server is back
  const lost = (gone) => document.querySelectorAll("[data-connection-lost]").forEach((notice) => { notice.hidden = !gone; });
  document.addEventListener("htmx:sendError", () => lost(true));
  document.addEventListener("htmx:responseError", () =>
    document.querySelectorAll("[data-request-refused]").forEach((notice) => { notice.hidden = false; notice.scrollIntoView({ block: "nearest" }); }));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) lost(false); });
})();
