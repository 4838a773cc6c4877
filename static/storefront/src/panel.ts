/**
 * The rewards panel: what the programme gives, and for members their points, what they are worth and where they came
 * from. A native modal dialog, so focus, Esc and the inert page are the browser's work.
 */
import { panel as en } from "../messages/en.json";
import { panel as zhHant } from "../messages/zh-Hant.json";
import panelCss from "./panel.css";
import { grouped, plural } from "./plural";
import { palette } from "./theme";
import type { Entry, Launcher, Member, Programme, Tier } from "./types";

const EVERY = 2_500; // milliseconds between two looks at the balance: with the work behind it, under 5 seconds
const FOR = 120_000; // milliseconds of looking without being asked again

type Words = typeof en;
type Child = Node | string;

/** Makes an element. Text goes in as text: nothing from the server is ever parsed as HTML. */
function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  set: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), set);
  element.append(...children);
  return element;
}

/** Writes values into a message's `{names}`, each isolated from the text's direction. */
function fill(message: string, values: Record<string, string>): Child[] {
  return message
    .split(/\{(\w+)\}/)
    .map((part, i) => (i % 2 ? h("bdi", {}, values[part] ?? "") : part))
    .filter((part) => part !== "");
}

class RewardsPanel {
  private readonly words: Words;
  private readonly dialog: HTMLDialogElement;
  private readonly title = h("h2", { id: "title", tabIndex: -1, autofocus: true });
  private readonly content = h("div");
  private readonly status = h("p", { className: "unseen", role: "status" });
  private readonly unfolded = new Set<string>();
  private drawn = "";
  private told = "";
  private turn = 0;

  constructor(private readonly launcher: Launcher) {
    this.words = launcher.locale == "en" ? en : zhHant;
    this.dialog = this.build();
    const sheets = [panelCss, palette(launcher.button)].map((css) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      return sheet;
    });
    launcher.root.adoptedStyleSheets.push(...sheets);
    launcher.root.append(this.dialog);
    document.addEventListener("visibilitychange", () => document.hidden || this.follow());
  }

  open(): void {
    if (this.dialog.open) return;
    this.draw();
    this.launcher.button.ariaExpanded = "true";
    this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.title.focus();
    this.tell();
    this.follow();
  }

  private build(): HTMLDialogElement {
    const close = h("button", { type: "button", className: "close", ariaLabel: this.words.close });
    const dialog = h(
      "dialog",
      { lang: this.launcher.locale, role: "dialog" },
      h("header", {}, this.title, close),
      this.content,
      this.status,
    );
    dialog.part.add("panel");
    dialog.setAttribute("aria-labelledby", "title");
    close.onclick = () => dialog.close();
    // The backdrop is the dialog itself. A drag that began inside the panel doesn't close it.
    let pressed: EventTarget | null;
    dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
    dialog.addEventListener("click", (event) => event.target == dialog && pressed == dialog && dialog.close());
    dialog.onclose = () => {
      this.launcher.button.ariaExpanded = "false";
      this.launcher.button.focus();
    };
    return dialog;
  }

  /** Asks for the balance now and every few seconds for a while: an order's points arrive while the panel is open. */
  private async follow(): Promise<void> {
    const turn = ++this.turn;
    const until = Date.now() + FOR;
    while (this.dialog.open && turn == this.turn && !document.hidden && Date.now() < until) {
      try {
        if (await this.launcher.refresh()) this.draw();
      } catch {
        return; // an answer that can't be drawn leaves the last one standing
      }
      await new Promise((wake) => setTimeout(wake, EVERY));
    }
  }

  /** Redraws what changed since the last time, keeping focus and unfolded rows where they were. */
  private draw(): void {
    const { programme, member } = this.launcher.session;
    if (!programme) return this.dialog.close();
    const now = JSON.stringify([programme, member]);
    if (now == this.drawn) return;
    this.drawn = now;
    const focused = this.launcher.root.activeElement?.id;
    this.content.replaceChildren(...(member ? this.member(programme, member) : this.invitation(programme)));
    this.title.textContent = programme.name;
    if (focused && this.dialog.open) this.launcher.root.getElementById(focused)?.focus();
    const points = member ? this.points(member.points) : "";
    if (this.dialog.open && points != this.status.textContent) this.status.textContent = points;
    this.tell();
  }

  /** Tells the server that the open panel shows what comes: what expires or moves down has been announced then. */
  private tell(): void {
    const { base, settings, session } = this.launcher;
    const { expiring = [], tier } = session.member ?? {};
    const coming = JSON.stringify([expiring, tier?.down]);
    if (!this.dialog.open || coming == this.told || !(expiring.length || tier?.down)) return;
    this.told = coming;
    fetch(`${base}/${settings.proxy}/v1/shown`, { method: "POST" }).catch(() => (this.told = ""));
  }

  private points(n: number): string {
    return plural(this.launcher.locale, this.words.points, n);
  }

  private invitation(programme: Programme): Child[] {
    const { base, settings } = this.launcher;
    return [
      h("div", { className: "hero" }, h("p", { className: "lead" }, this.words.invitation)),
      this.rules(programme),
      h(
        "p",
        { className: "actions" },
        h("a", { id: "login", className: "main", href: base + settings.login }, this.words.signIn),
        h("a", { id: "register", href: base + settings.register }, this.words.register),
      ),
    ];
  }

  private member(programme: Programme, member: Member): Child[] {
    const { hello, welcome, worth, history, empty, rules } = this.words;
    const { first_name, tier } = member;
    const { locale } = this.launcher;
    const [before = "", after = ""] = this.points(member.points).split(grouped(locale, member.points));
    return [
      h(
        "div",
        { className: "hero" },
        h(
          "p",
          { className: "hello" },
          h("span", {}, ...(first_name ? fill(hello, { name: first_name }) : [welcome])),
          ...(tier?.name ? [h("b", {}, tier.name)] : []),
        ),
        h("p", { className: "balance" }, before, h("b", {}, grouped(locale, member.points)), after),
        h("p", {}, ...fill(worth, { amount: member.worth })),
        ...this.comes(member).map((line) => h("p", {}, ...line)),
        ...(tier ? this.tier(tier) : []),
      ),
      h("h3", {}, history),
      member.entries.length
        ? h("ul", { className: "history" }, ...member.entries.map((entry) => this.entry(entry)))
        : h("p", { className: "empty" }, empty),
      h("h3", {}, rules),
      this.rules(programme),
    ];
  }

  /** Lines on points that are owed, come later, or expire. */
  private comes({ debt, pending, expiring }: Member): Child[][] {
    const { locale } = this.launcher;
    const { owed, more, moreLater, expires } = this.words;
    return [
      ...(debt ? [[plural(locale, owed, debt)]] : []),
      ...pending.map(({ points, when }) =>
        when ? fill(more, { n: grouped(locale, points), when }) : fill(moreLater, { n: grouped(locale, points) }),
      ),
      ...expiring.map(({ points, when }) => fill(plural(locale, expires, points), { when })),
    ];
  }

  /** The way to the next tier, and a move down that comes. */
  private tier({ next, down }: Tier): Child[] {
    const { lacking, moveDown, loseTier } = this.words;
    const values = { amount: next?.lacking ?? "", tier: next?.name ?? "" };
    const way = fill(lacking, values);
    return [
      ...(next
        ? [h("progress", { value: next.share, ariaLabel: h("p", {}, ...way).textContent }), h("p", {}, ...way)]
        : []),
      ...(down ? [h("p", {}, ...fill(down.to ? moveDown : loseTier, { tier: down.to ?? "", when: down.when }))] : []),
    ];
  }

  private rules({ earn, worth }: Programme): Child {
    const rule = (left: string, right: string): Child => h("li", {}, ...fill(this.words.equals, { left, right }));
    return h(
      "ul",
      { className: "rules" },
      rule(earn.per, this.points(earn.points)),
      rule(this.points(worth.points), worth.amount),
    );
  }

  /** One line of the history, with a button that unfolds the sum behind its points. */
  private entry({ id, at, when, what, points, pending, why }: Entry): Child {
    const { locale } = this.launcher;
    const key = `why-${id}`;
    const figure = grouped(locale, points, "exceptZero");
    const moment = new Intl.DateTimeFormat(locale == "en" ? "en-GB" : locale, {
      dateStyle: "long",
      timeStyle: "long",
    });
    const row = h(
      "li",
      {},
      h("span", { className: "what" }, what),
      h("bdi", { className: "points" }, figure),
      h("time", { dateTime: at, title: moment.format(new Date(at)) }, pending ? `${when} · ${this.words.pending}` : when),
    );
    if (!why.length) return row;
    const lines = h("ul", { id: `${key}-lines`, className: "why" }, ...why.map((line) => h("li", {}, line)));
    const count = grouped(locale, points);
    const button = h("button", { id: key, type: "button" }, this.words.why.replace("{n}", count));
    button.ariaLabel = plural(locale, this.words.whyNamed, points).replace("{what}", () => what);
    button.setAttribute("aria-controls", lines.id);
    const unfold = (open: boolean): void => {
      lines.hidden = !open;
      button.ariaExpanded = String(open);
      this.unfolded[open ? "add" : "delete"](key);
    };
    unfold(this.unfolded.has(key));
    button.onclick = () => unfold(!this.unfolded.has(key));
    row.append(button, lines);
    return row;
  }
}

const panels = new WeakMap<Launcher, RewardsPanel>();

/** Opens the panel of a launcher, with the last answer first and a fresh one at once. */
export function open(launcher: Launcher): void {
  let panel = panels.get(launcher);
  if (!panel) panels.set(launcher, (panel = new RewardsPanel(launcher)));
  panel.open();
}
