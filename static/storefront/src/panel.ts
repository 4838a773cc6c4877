/**
 * The rewards panel: what the programme gives, and for members their points, what they are worth and where they came
 * from. A native modal dialog, so focus, Esc and the inert page are the browser's work.
 */
import words from "words";
import { remembered } from "./memory";
import panelCss from "./panel.css";
import { grouped, plural } from "./plural";
import { palette } from "./theme";
import type { Entry, History, Launcher, Member, Programme, Rules, Tier } from "./types";

const EVERY = 2_500; // milliseconds between two looks at the balance: with the work behind it, under 5 seconds
const FOR = 120_000; // milliseconds of looking without being asked again

type Child = Node | string;
type Page = "earn" | "tiers";

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
  private readonly dialog: HTMLDialogElement;
  private readonly title = h("h2", { id: "title", tabIndex: -1, autofocus: true });
  private readonly back = h("button", { type: "button", className: "back", ariaLabel: words.back, hidden: true });
  private readonly content = h("div");
  private readonly status = h("p", { className: "unseen", role: "status" });
  private readonly unfolded = new Set<string>();
  private page: Page | undefined;
  private rules: Rules | undefined;
  private remembered = 0;
  private shown: Entry[] | undefined; // more of the history than the session has, once somebody asked for it
  private older: number | null = null;
  private failed = false;
  private drawn?: string;
  private told = "";
  private turn = 0;

  constructor(private readonly launcher: Launcher) {
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

  private get locale(): string {
    return this.launcher.session.locale;
  }

  open(): void {
    if (this.dialog.open) return;
    this.page = undefined;
    this.draw();
    this.launcher.button.ariaExpanded = "true";
    this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.title.focus();
    this.tell();
    this.follow();
    remembered()
      .then((points) => {
        this.remembered = points;
        this.draw();
      })
      .catch(() => {});
  }

  private build(): HTMLDialogElement {
    const close = h("button", { type: "button", className: "close", ariaLabel: words.close });
    const dialog = h(
      "dialog",
      { lang: this.locale, role: "dialog" },
      h("header", {}, this.back, this.title, close),
      this.content,
      this.status,
    );
    dialog.part.add("panel");
    dialog.setAttribute("aria-labelledby", "title");
    close.onclick = () => dialog.close();
    this.back.onclick = () => {
      const from = this.page;
      this.turnTo(undefined);
      this.launcher.root.getElementById(`to-${from}`)?.focus();
    };
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

  /** Shows a page inside, or what the panel opens with. */
  private turnTo(page: Page | undefined): void {
    this.page = page;
    this.draw();
    this.dialog.scrollTop = 0;
    this.title.focus();
    if (page && !this.rules) this.fetch(this.launcher.get<Rules>("programme").then((rules) => (this.rules = rules)));
  }

  /** Draws again once an answer is there, or says that none came. */
  private async fetch(answer: Promise<unknown>): Promise<void> {
    this.failed = false;
    await answer.catch(() => (this.failed = true));
    this.draw();
  }

  /** Asks for the balance now and every few seconds for a while: an order's points arrive while the panel is open. */
  private async follow(turn = ++this.turn, until = Date.now() + FOR): Promise<void> {
    if (!this.dialog.open || turn != this.turn || document.hidden || Date.now() >= until) return;
    try {
      if (await this.launcher.refresh()) this.draw();
      setTimeout(() => this.follow(turn, until), EVERY);
    } catch {
      // an answer that can't be drawn leaves the last one standing
    }
  }

  /** Redraws what changed since the last time, keeping focus and unfolded rows where they were. */
  private draw(): void {
    const { programme, member } = this.launcher.session;
    if (!programme) return this.dialog.close();
    const { page, rules, shown, older, failed } = this;
    const now = JSON.stringify([programme, member, page, rules, shown, older, failed, this.remembered]);
    if (now == this.drawn) return;
    this.drawn = now;
    if (!member) this.shown = undefined;
    const focused = this.launcher.root.activeElement?.id;
    this.content.replaceChildren(
      ...(page ? this.inside(page) : member ? this.member(programme, member) : this.invitation(programme)),
    );
    this.back.hidden = !page;
    this.title.textContent = page ? words[page] : programme.name;
    if (focused && this.dialog.open) this.launcher.root.getElementById(focused)?.focus();
    const points = member ? this.points(member.points) : "";
    if (this.dialog.open && points != this.status.textContent) this.status.textContent = points;
    this.tell();
  }

  /** Tells the server that the open panel shows what comes: what expires or moves down has been announced then. */
  private tell(): void {
    const { path, settings, session } = this.launcher;
    const { expiring = [], tier } = session.member ?? {};
    const coming = JSON.stringify([expiring, tier?.down]);
    if (!this.dialog.open || coming == this.told || !(expiring.length || tier?.down)) return;
    this.told = coming;
    fetch(path(`/${settings.proxy}/v1/shown`), { method: "POST" }).catch(() => (this.told = ""));
  }

  private points(n: number): string {
    return plural(this.locale, words.points, n);
  }

  private invitation(programme: Programme): Child[] {
    const { settings, session, path } = this.launcher;
    const link = (id: "login" | "register", text: string, className = ""): Child =>
      h("a", { id, className, href: path(settings[id]) }, text);
    const isNew = session.accounts == "new";
    const lead = this.remembered
      ? h("p", { className: "guest" }, plural(this.locale, words.guest, this.remembered))
      : h("p", { className: "lead" }, words.invitation);
    return [
      h("div", { className: "hero" }, lead),
      ...(this.remembered ? [] : [this.values(programme)]),
      h(
        "p",
        { className: "actions" },
        link("login", isNew && !this.remembered ? words.join : words.signIn, "main"),
        ...(isNew ? [h("span", {}, words.noPassword)] : [link("register", words.register)]),
      ),
      this.sections(programme),
    ];
  }

  private member(programme: Programme, member: Member): Child[] {
    const { first_name, tier, claimed } = member;
    const { locale } = this;
    const [before = "", after = ""] = this.points(member.points).split(grouped(locale, member.points));
    return [
      h(
        "div",
        { className: "hero" },
        h(
          "p",
          { className: "hello" },
          h("span", {}, ...(first_name ? fill(words.hello, { name: first_name }) : [words.welcome])),
          ...(tier?.name ? [h("b", {}, tier.name)] : []),
        ),
        h("p", { className: "balance" }, before, h("b", {}, grouped(locale, member.points)), after),
        h("p", {}, ...fill(words.worth, { amount: member.worth })),
        ...(claimed
          ? [h("p", {}, ...fill(plural(locale, words.claimed, claimed.orders), { points: this.points(claimed.points) }))]
          : []),
        ...this.comes(member).map((line) => h("p", {}, ...line)),
        ...(tier ? this.tier(tier) : []),
      ),
      this.sections(programme),
      h("h3", {}, words.history),
      ...this.history(member),
    ];
  }

  /** The pages inside, each a button. */
  private sections({ tiers }: Programme): Child {
    const pages: Page[] = tiers ? ["earn", "tiers"] : ["earn"];
    const section = (page: Page): Child =>
      h("li", {}, h("button", { id: `to-${page}`, type: "button", onclick: () => this.turnTo(page) }, words[page]));
    return h("ul", { className: "sections" }, ...pages.map(section));
  }

  /** A page inside: the programme's rules in the server's sentences. */
  private inside(page: Page): Child[] {
    const { member } = this.launcher.session;
    const { rules } = this;
    if (!rules) return [h("p", { className: "inside", role: "status" }, this.failed ? words.failed : "…")];
    const lines = (texts: string[]): Child[] => texts.map((text) => h("p", {}, text));
    if (page == "earn") return [h("div", { className: "inside" }, ...lines(rules.earn))];
    const held = member?.tier?.name;
    const level = ({ name, from, gives }: { name: string; from: string; gives: string }): Child =>
      h(
        "li",
        {},
        h("b", {}, name),
        ...(name == held ? [" ", h("span", {}, `· ${words.yours}`)] : []),
        h("p", {}, from),
        h("p", {}, gives),
      );
    const { text, levels } = rules.tiers ?? { text: [], levels: [] };
    return [h("div", { className: "inside" }, ...lines(text)), h("ul", { className: "rules" }, ...levels.map(level))];
  }

  /** The entries of the session, and older ones once they were asked for. */
  private history({ entries, older }: Member): Child[] {
    if (!entries.length) return [h("p", { className: "empty" }, words.empty)];
    const ids = new Set(entries.map(({ id }) => id));
    const all = [...entries, ...(this.shown?.filter(({ id }) => !ids.has(id)) ?? [])];
    const next = this.shown ? this.older : older;
    const more = h("button", { id: "older", type: "button" }, words.older);
    more.onclick = () => {
      more.ariaBusy = "true";
      this.fetch(
        this.launcher.get<History>("history", { before: String(next) }).then((page) => {
          this.shown = [...all, ...page.entries];
          this.older = page.older;
        }),
      );
    };
    return [
      h("ul", { className: "history" }, ...all.map((entry) => this.entry(entry))),
      ...(next ? [h("p", { className: "actions" }, more)] : []),
      ...(this.failed ? [h("p", { className: "empty", role: "status" }, words.failed)] : []),
    ];
  }

  /** Lines on points that are owed, come later, or expire. */
  private comes({ debt, pending, expiring }: Member): Child[][] {
    const { locale } = this;
    return [
      ...(debt ? [[plural(locale, words.owed, debt)]] : []),
      ...pending.map(({ points, when }) =>
        fill(when ? words.more : words.moreLater, { n: grouped(locale, points), when: when ?? "" }),
      ),
      ...expiring.map(({ points, when }) => fill(plural(locale, words.expires, points), { when })),
    ];
  }

  /** The way to the next tier, and a move down that comes. */
  private tier({ next, down }: Tier): Child[] {
    const values = { amount: next?.lacking ?? "", tier: next?.name ?? "" };
    const way = fill(words.lacking, values);
    return [
      ...(next
        ? [h("progress", { value: next.share, ariaLabel: h("p", {}, ...way).textContent }), h("p", {}, ...way)]
        : []),
      ...(down ? [h("p", {}, ...fill(down.to ? words.moveDown : words.loseTier, { tier: down.to ?? "", when: down.when }))] : []),
    ];
  }

  /** What an amount spent earns, and what points are worth. */
  private values({ earn, worth }: Programme): Child {
    const rule = (left: string, right: string): Child => h("li", {}, ...fill(words.equals, { left, right }));
    return h(
      "ul",
      { className: "rules" },
      rule(earn.per, this.points(earn.points)),
      rule(this.points(worth.points), worth.amount),
    );
  }

  /** One line of the history, with a button that unfolds the sum behind its points. */
  private entry({ id, at, when, what, points, pending, why }: Entry): Child {
    const { locale } = this;
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
      h("time", { dateTime: at, title: moment.format(new Date(at)) }, pending ? `${when} · ${words.pending}` : when),
    );
    if (!why.length) return row;
    const lines = h("ul", { id: `${key}-lines`, className: "why" }, ...why.map((line) => h("li", {}, line)));
    const count = grouped(locale, points);
    const button = h("button", { id: key, type: "button" }, words.why.replace("{n}", count));
    button.ariaLabel = plural(locale, words.whyNamed, points).replace("{what}", () => what);
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

export function prompt({ settings, session, path }: Launcher, points: number): HTMLElement {
  const text = plural(session.locale, words.guest, points);
  return h("p", { lang: session.locale }, `${text} `, h("a", { href: path(settings.login) }, words.signIn));
}

const panels = new WeakMap<Launcher, RewardsPanel>();

/** Opens the panel of a launcher, with the last answer first and a fresh one at once. */
export function open(launcher: Launcher): void {
  let panel = panels.get(launcher);
  if (!panel) panels.set(launcher, (panel = new RewardsPanel(launcher)));
  panel.open();
}
