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

  // The panel opens as soon as its button is there. A dialog that opens takes the focus, and so the keys of whoever types
  // in the page around: for this one opening showModal opens an inert dialog, which can't.
  const { showModal } = HTMLDialogElement.prototype;
  HTMLDialogElement.prototype.showModal = function () {
    HTMLDialogElement.prototype.showModal = showModal;
    this.inert = true;
    this.showModal();
    setTimeout(() => { this.inert = false; });
  };
  // What it draws anew keeps its focus only while somebody is in the frame.
  const { focus } = HTMLElement.prototype;
  HTMLElement.prototype.focus = function (...given) {
    if (document.hasFocus()) focus.apply(this, given);
  };
  new MutationObserver((_changes, observer) => {
    const button = document.querySelector("encore-rewards")?.shadowRoot?.querySelector("button");
    if (!button) return;
    observer.disconnect();
    button.click();
  }).observe(document, { childList: true, subtree: true });

  parent.postMessage("ready", location.origin);
})();
