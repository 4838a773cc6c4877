/** What the server puts in front of the loader, or the theme's app embed says: public, the same for every visitor. */
export interface Settings {
  /** Path of the app proxy below the shop's root, without slashes at its ends: `apps/encore`. */
  proxy: string;
  /** Absolute addresses of the panel's modules, one a language (`panel.pt-BR` is in its name), separated by spaces. */
  panels: string;
  /** Absolute address of the module that says what can be earned. */
  earn: string;
  /** Paths of the shop's account pages, from its root: `/account/login`, `/account/register`. */
  login: string;
  register: string;
}

/** The answer of `<proxy>/v1/session`. Money and dates arrive as text in the answer's language. */
export interface Session {
  /** The language the answer is written in: `pt-BR`. */
  locale: string;
  launcher: { text: string; name: string };
  /** Shopify's new customer accounts sign in with a code and have no page to register. */
  accounts: "new" | "classic";
  programme: Programme | null;
  member: Member | null;
}

export interface Programme {
  name: string;
  earn: { points: number; per: string };
  worth: { points: number; amount: string };
  /** Whether it has tiers. */
  tiers: boolean;
}

/** The answer of `<proxy>/v1/programme`: the rules in sentences. */
export interface Rules {
  earn: string[];
  tiers: { text: string[]; levels: { name: string; from: string; gives: string }[] } | null;
}

/** The answer of `<proxy>/v1/history`: entries older than some, and from which on there are more. */
export interface History {
  entries: Entry[];
  older: number | null;
}

/** The answer of `<proxy>/v1/earns`: what a basket earns, in words and as `+36`. */
export interface Earns {
  points: number;
  text: string;
  figure: string;
}

export interface Member {
  first_name: string | null;
  /** What can be used now. */
  points: number;
  worth: string;
  /** What was used and is gone again: the next points settle it. */
  debt: number;
  /** What can be used later, next first; the day is null while it isn't known. */
  pending: { points: number; when: string | null }[];
  /** What became theirs when they first signed in, for a week after it: points, and of how many orders. */
  claimed: { points: number; orders: number } | null;
  /** What expires within 30 days, next first. */
  expiring: { points: number; when: string }[];
  /** Null without tiers; its name is null while the member has none. */
  tier: Tier | null;
  entries: Entry[];
  /** The id of the last entry here, if there are older ones. */
  older: number | null;
}

export interface Tier {
  name: string | null;
  /** The level above; `share` of the way is done, 0 to 1. */
  next: { name: string; lacking: string; share: number } | null;
  /** A move down that comes within 30 days; `to` is null for no tier. */
  down: { to: string | null; when: string } | null;
}

export interface Entry {
  id: number;
  /** The instant, ISO 8601. */
  at: string;
  /** The day in words: "20 Nov". */
  when: string;
  what: string;
  /** Signed. */
  points: number;
  /** It can't be used yet. */
  pending: boolean;
  why: string[];
}

/** What the loader hands to its modules: its button, the last answer and the way to ask again. */
export interface Launcher {
  root: ShadowRoot;
  button: HTMLButtonElement;
  settings: Settings;
  session: Session;
  /** What the page's product or basket earns, where the theme has no place for it. */
  earns?: Earns;
  /** A path of the shop, below its root in the visitor's language. */
  path(path: string): string;
  /** Asks `<proxy>/v1/<what>` in the session's language. Rejects when the answer is no good one. */
  get<T>(what: string, query?: Record<string, string>): Promise<T>;
  /** The panel's module in the session's language. */
  panel(): Promise<Panel>;
  /** Writes session and earnings on the button. */
  show(): void;
  /** Asks for the session once more and redraws the button; false when the answer is unusable. */
  refresh(): Promise<boolean>;
}

/** The panel's module. */
export interface Panel {
  open(launcher: Launcher): void;
  /** What a guest is told of their basket's points, with the way to keep them. */
  prompt(launcher: Launcher, points: number): HTMLElement;
}

/** The module for pages where something can be earned. */
export interface Earn {
  watch(launcher: Launcher, path: string): void;
}
