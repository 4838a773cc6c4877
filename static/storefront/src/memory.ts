/** What this browser remembers of a guest's last basket: about how many points. Only after consent, and nobody's. */

const KEY = "encore";

/** Whether the visitor lets the shop remember what they like, by the platform's Customer Privacy API. Without it: no. */
function allowed(): Promise<boolean> {
  return new Promise((answer) => {
    const shopify = window.Shopify;
    const tell = (error?: unknown): void =>
      answer(!error && shopify?.customerPrivacy?.preferencesProcessingAllowed() === true);
    if (shopify?.customerPrivacy || !shopify?.loadFeatures) tell();
    else shopify.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], tell);
  });
}

export function forget(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // a browser that refuses storage has nothing to forget
  }
}

/** Keeps the points if that is allowed; forgets them, and whatever was there, if it isn't. */
export async function remember(points: number): Promise<void> {
  if (await allowed()) localStorage.setItem(KEY, String(points));
  else forget();
}

/** About how many points the last basket was worth; 0 for none, and when remembering isn't allowed. */
export async function remembered(): Promise<number> {
  return (await allowed()) ? Math.trunc(Number(localStorage.getItem(KEY))) || 0 : 0;
}
