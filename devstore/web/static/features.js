/* `Shopify.loadFeatures`, and the Customer Privacy API that it loads as `consent-tracking-api`: whether this visitor may be
 * counted. Where visitors must be asked, the answer is no until they say yes; it is kept in the cookie `_tracking_consent`.
 * https://shopify.dev/docs/api/customer-privacy */
(() => {
  'use strict';

  const COOKIE = '_tracking_consent';
  const PURPOSES = ['analytics', 'marketing', 'preferences', 'sale_of_data'];
  const YEAR = 31536000;
  const mustAsk = document.currentScript.dataset.mustAsk === 'true';

  function said() {
    const cookie = document.cookie.split('; ').find((each) => each.startsWith(`${COOKIE}=`));
    try {
      return cookie ? JSON.parse(decodeURIComponent(cookie.slice(COOKIE.length + 1))) : {};
    } catch {
      return {};
    }
  }

  const allowed = (purpose) => (mustAsk ? said()[purpose] === 'yes' : said()[purpose] !== 'no');

  const customerPrivacy = {
    analyticsProcessingAllowed: () => allowed('analytics'),
    marketingAllowed: () => allowed('marketing'),
    preferencesProcessingAllowed: () => allowed('preferences'),
    saleOfDataAllowed: () => allowed('sale_of_data'),
    currentVisitorConsent: () => Object.fromEntries(PURPOSES.map((purpose) => [purpose, said()[purpose] || ''])),
    getRegion: () => window.Shopify.country,
    shouldShowBanner: () => mustAsk && !said().analytics,
    setTrackingConsent(consent, done = () => {}) {
      const now = said();
      for (const purpose of PURPOSES) {
        if (purpose in consent) now[purpose] = consent[purpose] ? 'yes' : 'no';
      }
      document.cookie = `${COOKIE}=${encodeURIComponent(JSON.stringify(now))}; path=/; max-age=${YEAR}; SameSite=Lax`;
      document.dispatchEvent(new CustomEvent('visitorConsentCollected', {
        detail: {
          analyticsAllowed: allowed('analytics'),
          marketingAllowed: allowed('marketing'),
          preferencesAllowed: allowed('preferences'),
          saleOfDataAllowed: allowed('sale_of_data'),
        },
      }));
      done();
    },
  };
  const features = { 'consent-tracking-api': () => { window.Shopify.customerPrivacy = customerPrivacy; } };

  /** Load features by name; `done` gets an error when one is unknown. As in Shopify nothing is there before that. */
  window.Shopify.loadFeatures = (wanted, done = () => {}) => {
    setTimeout(() => {
      const unknown = wanted.find((each) => !(each.name in features));
      for (const each of wanted) if (each.name in features) features[each.name]();
      done(unknown ? new Error(`There is no feature ${unknown.name}`) : undefined);
    });
  };
})();
