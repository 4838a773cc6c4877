// Runs before the storefront's loader in the frame of a preview: what the script asks the app proxy, the page around
// answers. The real loader and panel do all the rest.
(() => {
  let answers;
  let told;
  const first = new Promise((resolve) => { told = resolve; });

  addEventListener("message", ({ origin, data }) => {
    if (origin !== location.origin) return;
    answers = data;
    told();
    document.dispatchEvent(new Event("visibilitychange")); // the panel looks again when it comes into view
  });

  window.fetch = async (address) => {
    await first;
    const asked = new URL(address, location).pathname.split("/").pop();
    return new Response(JSON.stringify(answers[asked] ?? null), { headers: { "content-type": "application/json" } });
  };

  // Open the panel as soon as its button is there, and say so: the page around takes the focus back.
  new MutationObserver((_changes, observer) => {
    const root = document.querySelector("encore-rewards")?.shadowRoot;
    const button = root?.querySelector("button");
    if (!button) return;
    observer.disconnect();
    new MutationObserver((_inner, inner) => {
      if (!root.querySelector("dialog[open]")) return;
      inner.disconnect();
      parent.postMessage("opened", location.origin);
    }).observe(root, { subtree: true, childList: true, attributes: true });
    button.click();
  }).observe(document, { childList: true, subtree: true });

  parent.postMessage("ready", location.origin);
})();
