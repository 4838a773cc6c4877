/** What the server puts in front of the loader, or the theme's app embed says: public, the same for every visitor. */
export interface Settings {
  /** Path of the app proxy below the shop's root, without slashes at its ends: `apps/encore`. */
  proxy: string;
  /** Absolute address of the panel's module. */
  panel: string;
  /** Paths of the shop's account pages, from its root: `/account/login`, `/account/register`. */
  login: string;
  register: string;
}

/** The answer of `<proxy>/v1/session`. Money and dates arrive as text in the asked language. */
export interface Session {
  programme: Programme | null;
  member: Member | null;
}

export interface Programme {
  name: string;
  earn: { points: number; per: string };
  worth: { points: number; amount: string };
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

export type Locale = "en" | "zh-Hant";

/** What the loader hands to the panel: its button, the last answer and the way to ask again. */
export interface Launcher {
  root: ShadowRoot;
  button: HTMLButtonElement;
  locale: Locale;
  /** The shop's root with no slash at its end: "" or "/pt-br". */
  base: string;
  settings: Settings;
  session: Session;
  /** Asks the server once more and redraws the button; false when the answer is unusable. */
  refresh(): Promise<boolean>;
}

/** The panel's module. */
export interface Panel {
  open(launcher: Launcher): void;
}
