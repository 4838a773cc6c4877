/**
 * The storefront loader: asks the app proxy who is here, draws the launcher, and fetches the panel when it is opened.
 *
 * It lives on other people's pages: it stores nothing, leaves no global behind (one symbol marks that it ran), moves
 * nothing on the page, and when anything is missing, slow or refused it draws nothing. The words come with the answer,
 * in the language the server chose for this page.
 */
import launcherCss from "./launcher.css";
import { forget } from "./memory";
import pageCss from "./page.css";
import type { Earn, Launcher, Panel, Session, Settings } from "./types";

const PATIENCE = 8000; // milliseconds until an answer counts as refused

const shopify = window.Shopify ?? {};
const base = String(shopify.routes?.root ?? "/").replace(/\/$/, "");
const path = location.pathname.slice(base.length);

/** What the server wrote in front of this script, or the theme's app embed says in the page. */
let settings: Settings;
let last: Session | undefined;
let tag = "";

async function get(what: string, query: Record<string, string>, headers = {}): Promise<Response> {
  return fetch(`${base}/${settings.proxy}/v1/${what}?${new URLSearchParams(query)}`, {
    headers: { accept: "application/json", ...headers },
    signal: AbortSignal.timeout(PATIENCE),
  });
}

/** The session, or undefined when the answer isn't one. Rejects when the network fails. */
async function ask(): Promise<Session | undefined> {
  const query = { locale: shopify.locale || document.documentElement.lang, page: path.split("/")[1] ?? "" };
  const response = await get("session", query, tag && { "if-none-match": tag });
  if (response.status == 304) return last;
  const session: Session = await response.json();
  const { programme, member, launcher } = session;
  const usable = response.ok && (programme === null || (programme.name && programme.earn && programme.worth && launcher.name));
  if (usable && (member === null || (Number.isInteger(member.points) && Array.isArray(member.entries)))) {
    tag = response.headers.get("etag") ?? "";
    return (last = session);
  }
}

function sheet(css: string): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}

/** Draws the launcher in a shadow root at the end of the body, with the page's own font and colours as defaults. */
function draw(session: Session): void {
  const page = getComputedStyle(document.body);
  const host = document.createElement("encore-rewards");
  const root = host.attachShadow({ mode: "open" });
  const ink = page.color.replace(/rgba(.+),.+/, "rgb$1)"); // themes soften their text with transparency
  const defaults = `:host{--ink:${ink};--font:var(--encore-font,${page.fontFamily});--accent:var(--encore-accent,${ink})}`;
  root.adoptedStyleSheets = [sheet(launcherCss), sheet(defaults)];
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet(pageCss)];

  const button = document.createElement("button");
  const figure = document.createElement("span");
  button.type = "button";
  button.part.add("launcher");
  button.className = "launcher";
  button.ariaHasPopup = "dialog";
  button.append(document.createElement("i"), figure);
  root.append(button);

  const launcher: Launcher = {
    root, button, settings, session,
    path: (path) => (path.startsWith(`${base}/`) ? path : base + path), // a theme's addresses have the root already
    async get(what, query) {
      const response = await get(what, { ...query, locale: launcher.session.locale });
      if (!response.ok) throw response;
      return response.json();
    },
    panel: (): Promise<Panel> =>
      import(settings.panels.split(" ").find((url) => url.includes(`panel.${launcher.session.locale}`))!),
    show() {
      const { earns, session } = launcher;
      const { text, name } = session.launcher;
      button.lang = session.locale;
      button.classList.toggle("earns", !!earns);
      figure.textContent = earns ? earns.figure : text;
      button.ariaLabel = earns ? `${name}. ${earns.text}` : name;
    },
    async refresh() {
      const answer = await ask().catch(() => undefined);
      if (!answer) return false;
      launcher.session = answer;
      if (!answer.programme) host.remove();
      launcher.show();
      return true;
    },
  };
  launcher.show();
  button.onclick = async () => {
    try {
      (await launcher.panel()).open(launcher);
    } catch {
      host.remove(); // a button that opens nothing is worse than none
    }
  };
  if (session.member) forget(); // what a guest's browser remembered is theirs now
  if (/\/products\/.|^\/cart$|^\/orders\/./.test(path)) {
    import(settings.earn).then((earn: Earn) => earn.watch(launcher, path)).catch(() => {});
  }
  // A page brought back by Back or Forward may belong to somebody who has signed out since.
  addEventListener("pageshow", (event) => event.persisted && launcher.refresh());
  document.body.append(host);
}

async function start(): Promise<void> {
  try {
    settings =
      typeof ENCORE == "undefined" ? (document.getElementById("encore-rewards")!.dataset as unknown as Settings) : ENCORE;
    const session = await ask();
    if (session?.programme) draw(session);
  } catch {
    // no settings or no answer, no launcher
  }
}

function whenIdle(): void {
  try {
    requestIdleCallback(start, { timeout: 2000 });
  } catch {
    setTimeout(start, 200); // there are none, or the page has broken them
  }
}

const mark = Symbol.for("encore");
const marked = window as unknown as Record<symbol, boolean>;
const checkout = (shopify.Checkout && !shopify.Checkout.OrderStatus) || /^(\/\d+)?\/checkouts?(\/|$)/.test(path);

if (!marked[mark] && !shopify.designMode && !checkout) {
  marked[mark] = true;
  if (document.readyState == "loading") addEventListener("DOMContentLoaded", whenIdle);
  else whenIdle();
}
