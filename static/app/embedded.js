// Runs before the first paint, right after App Bridge: inside the Shopify admin the title and the navigation are drawn
// there, so the page hides its own.
if (window.shopify?.environment?.embedded ?? (window.shopify && window.parent !== window)) {
  document.documentElement.dataset.embedded = "";
}
