// The storefront's panel in a frame: gets what it would be answered by the rules on this page, whenever these change.

const frame = () => document.getElementById("panel-frame");

function show() {
  const answers = document.getElementById("panel-answers")?.dataset.answers;
  const looks = document.querySelector('[data-looks][aria-pressed="true"]')?.dataset.looks;
  if (!frame() || !answers || !looks) return;
  const { session, programme } = JSON.parse(answers);
  frame().contentWindow.postMessage({ session: session[looks], programme }, location.origin);
}

addEventListener("message", ({ source, data }) => {
  if (source === frame()?.contentWindow && data === "ready") show();
});

document.addEventListener("htmx:after:swap", show);

document.addEventListener("click", ({ target }) => {
  const pressed = target.closest?.("[data-looks]");
  if (!pressed) return;
  for (const button of document.querySelectorAll("[data-looks]")) button.setAttribute("aria-pressed", String(button === pressed));
  show();
});
