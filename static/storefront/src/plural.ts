export interface Plural {
  one: string;
  other: string;
}

/** Picks the form for a count and writes the count, grouped and with a true minus sign, into `{n}`. */
export function plural(locale: string, forms: Plural, n: number): string {
  const form = new Intl.PluralRules(locale).select(n) == "one" ? forms.one : forms.other;
  return form.replace("{n}", grouped(locale, n));
}

export function grouped(locale: string, n: number, signDisplay?: "exceptZero"): string {
  return new Intl.NumberFormat(locale, { signDisplay }).format(n).replace("-", "−");
}
