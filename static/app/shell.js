// What every page of the admin needs: focus and language after a page change, toasts, announcements, busy buttons,
// disclosures, and a clear word when the server can't be reached. Pages work without it as far as links and forms go.

const page = () => document.getElementById("page");
const heading = () => document.querySelector("#main h1");

// --- after a new page arrived -----------------------------------------------------------------------------------------

document.addEventListener("htmx:after:swap", (event) => {
  const { ctx } = event.detail;
  if (ctx?.select !== "#page" && ctx?.select !== "[hx-history-elt]") {
    if (document.activeElement === document.body) keepsFocus(ctx?.sourceElement);
    return;
  }
  speak(page().lang);
  const problem = document.getElementById("problem");
  if (problem) {
    problem.focus();
  } else if (!ctx.request.headers["HX-History-Restore-Request"] && !keepsFocus(ctx.sourceElement)) {
    window.scrollTo(0, 0);
    heading()?.focus({ preventScroll: true });
  }
});

function speak(language) {
  if (document.documentElement.lang === language) return;
  document.documentElement.lang = language;
  const names = document.querySelectorAll(".rail li a");
  document.querySelectorAll('s-app-nav a:not([rel="home"])').forEach((link, number) => { link.textContent = names[number].textContent; });
}

function keepsFocus(source) {
  const same = source?.id ? document.getElementById(source.id) : null;
  same?.focus({ preventScroll: true });
  return Boolean(same);
}

// --- requests -----------------------------------------------------------------------------------------------------------

document.addEventListener("htmx:config:request", (event) => {
  // Pages renew themselves while an import runs; not while somebody reads a definition that would move.
  const { ctx } = event.detail;
  if (ctx.sourceElement.dataset.renews !== undefined && document.hidden) event.preventDefault();
  ctx.request.headers["Accept-Language"] = document.documentElement.lang;
});

document.addEventListener("htmx:before:request", (event) => {
  for (const id of ["offline", "expired"]) document.getElementById(id).hidden = true;
  mark(event.detail.ctx, true);
});
document.addEventListener("htmx:finally:request", (event) => mark(event.detail.ctx, false));

function mark({ sourceElement, sourceEvent }, busy) {
  const button = sourceEvent?.submitter ?? (sourceElement.matches?.("button") && sourceElement);
  if (!button) return;
  if (busy) button.setAttribute("aria-busy", "true");
  else button.removeAttribute("aria-busy");
}

// A pressed button can't be pressed twice, and keeps its place in the tab order meanwhile.
document.addEventListener("click", (event) => {
  if (event.target.closest('[aria-busy="true"]')) event.preventDefault();
}, true);

// An answer that is no page of ours (a proxy's error, a refused token) never replaces the page.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.hx.location || ctx.response.status < 400) return;
  if (ctx.response.status === 401) document.getElementById("expired").hidden = false;
  else if (!ctx.text.includes('id="page"')) complain(ctx);
  else return;
  event.preventDefault();
});

document.addEventListener("htmx:error", (event) => {
  if (!event.detail.ctx?.response) complain(event.detail.ctx);
});

function complain(ctx) {
  if (ctx?.sourceElement?.dataset?.renews === undefined) document.getElementById("offline").hidden = false;
}

// --- words ----------------------------------------------------------------------------------------------------------------

function say(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

// A toast speaks of the page that follows, so it waits for it.
document.addEventListener("toast", (event) => {
  document.addEventListener("htmx:after:swap", () => toast(event.detail.value), { once: true });
});

let toastTimer;
function toast(text) {
  if (window.shopify?.toast && document.documentElement.dataset.embedded !== undefined) {
    window.shopify.toast.show(text);
    return;
  }
  const box = document.getElementById("toast");
  box.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.textContent = ""; }, 5000);
}

document.addEventListener("htmx:after:swap", () => {
  const words = document.querySelector("[data-announce]");
  if (words && words.dataset.announce !== say.last) {
    say.last = words.dataset.announce;
    say(say.last);
  }
});

// --- disclosures ------------------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-discloses]");
  if (button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    document.getElementById(button.getAttribute("aria-controls")).hidden = !open;
  }
  for (const box of document.querySelectorAll(".definition[open]")) {
    if (!box.contains(event.target)) box.open = false;
  }
});

// Dialogs: the browser keeps focus inside, closes on Esc and gives focus back.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  event.target.closest("[data-closes]")?.closest("dialog").close();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const box = document.querySelector(".definition[open]");
  if (!box) return;
  box.open = false;
  box.querySelector("summary").focus();
});

// Copying: where the frame may not write to the clipboard, the old way still works; the text stays selected either way.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  field.select();
  const copied = await navigator.clipboard.writeText(field.value).then(() => true, () => document.execCommand("copy"));
  if (copied) toast(button.dataset.copied);
});

// Without this module the explanations stand open; with it they wait for "Why?".
const closeDisclosures = (root) => {
  for (const button of root.querySelectorAll('[data-discloses][aria-expanded="false"]')) {
    button.hidden = false;
    document.getElementById(button.getAttribute("aria-controls")).hidden = true;
  }
};
closeDisclosures(document);
document.addEventListener("htmx:after:swap", () => closeDisclosures(document));

// --- charts: arrow keys walk the points ------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  const chart = event.target.closest?.("[data-walk]");
  if (!chart || !["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
  const stops = [...chart.querySelectorAll("[data-stop]")];
  if (!stops.length) return;
  event.preventDefault();
  const forward = event.key === "ArrowRight" || event.key === "ArrowDown";
  const at = stops.findIndex((stop) => stop.classList.contains("is-at"));
  const next = event.key === "Home" ? 0
    : event.key === "End" ? stops.length - 1
    : Math.min(Math.max(at + (forward ? 1 : -1), 0), stops.length - 1);
  stops.forEach((stop, number) => stop.classList.toggle("is-at", number === next));
  say(stops[next].dataset.stop);
});
