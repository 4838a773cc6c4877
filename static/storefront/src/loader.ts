/**
 * The storefront loader: asks the app proxy who is here, draws the launcher, and fetches the panel when it is opened.
 *
 * It lives on other people's pages: it stores nothing, leaves no global behind (one symbol marks that it ran), moves
 * nothing on the page, and when anything is missing, slow or refused it draws nothing.
 */
import { launcher as en } from "../messages/en.json";
import { launcher as zhHant } from "../messages/zh-Hant.json";
import launcherCss from "./launcher.css";
import pageCss from "./page.css";
import { grouped, plural } from "./plural";
import type { Launcher, Locale, Panel, Session, Settings } from "./types";

const PATIENCE = 8000; // milliseconds until an answer counts as refused

const shopify = window.Shopify ?? {};
const base = String(shopify.routes?.root ?? "/").replace(/\/$/, "");
const locale: Locale = /^zh.*(hant|tw|hk|mo)/i.test(shopify.locale || document.documentElement.lang) ? "zh-Hant" : "en";
const words = locale == "en" ? en : zhHant;

/** What the server wrote in front of this script, or the theme's app embed says in the page. */
let settings: Settings;
/** Which kind of page this is: "products" of /products/mug. */
const kind = location.pathname.slice(base.length).split("/")[1];
let last: Session | undefined;
let tag = "";

/** The session, or undefined when the answer isn't one. Rejects when the network fails. */
async function ask(): Promise<Session | undefined> {
  const response = await fetch(`${base}/${settings.proxy}/v1/session?locale=${locale}&page=${kind}`, {
    headers: { accept: "application/json", ...(tag && { "if-none-match": tag }) },
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (response.status == 304) return last;
  const session: Session = await response.json();
  const { programme, member } = session;
  const usable = response.ok && (programme === null || (programme.name && programme.earn && programme.worth));
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
  button.lang = locale;
  button.ariaHasPopup = "dialog";
  button.append(document.createElement("i"), figure);
  root.append(button);

  const show = (): void => {
    const points = launcher.session.member?.points;
    figure.textContent = points === undefined ? words.label : grouped(locale, points);
    button.ariaLabel = points === undefined ? words.label : plural(locale, words, points);
  };
  const launcher: Launcher = {
    root, button, locale, base, settings, session,
    async refresh() {
      const answer = await ask().catch(() => undefined);
      if (!answer) return false;
      launcher.session = answer;
      if (!answer.programme) host.remove();
      show();
      return true;
    },
  };
  show();
  button.onclick = async () => {
    try {
      const panel: Panel = await import(settings.panel);
      panel.open(launcher);
    } catch {
      // the panel couldn't be fetched: the button stays, the page doesn't notice
    }
  };
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
  if (typeof requestIdleCallback == "function") requestIdleCallback(start, { timeout: 2000 });
  else setTimeout(start, 200);
}

const mark = Symbol.for("encore");
const marked = window as unknown as Record<symbol, boolean>;
const checkout = shopify.Checkout || /^(\/\d+)?\/checkouts?(\/|$)/.test(location.pathname.slice(base.length));

if (!marked[mark] && !shopify.designMode && !checkout) {
  marked[mark] = true;
  if (document.readyState == "loading") addEventListener("DOMContentLoaded", whenIdle);
  else whenIdle();
}
