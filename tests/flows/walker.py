"""People on their way through screens: they know controls only by what a screen reader calls them, and count what they
do."""

from __future__ import annotations

import re
import time

from playwright.sync_api import FrameLocator, Locator, Page, expect

SEEN_SECONDS_MAX = 15
STOPS_MAX = 120  # presses of Tab until something must have been reached
RING = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  if (!document.hasFocus() || !element || ["BODY", "HTML", "IFRAME"].includes(element.tagName)) return null;
  const ringed = (it) =>
    it.outlineStyle != "none" && parseFloat(it.outlineWidth) > 0 && it.outlineColor != "rgba(0, 0, 0, 0)";
  const seen = [element, element.parentElement].some((it) => ringed(getComputedStyle(it)));
  return seen ? "" : element.outerHTML.slice(0, 200);
}"""  # null: the focus isn't in this document; else what has it without an outline around it or its box

Name = str | re.Pattern[str]


class Walker:
    """Clicks, types and chooses. `place` is where they look: the page, or a frame in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.place: Page | FrameLocator | Locator = page
        self.actions = 0
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def look_into(self, frame: str) -> None:
        """Go on in the frame with this title."""
        self.place = self.page.get_by_title(frame, exact=True).content_frame

    def look_at(self, role: str, name: Name) -> None:
        """Go on in this part of the page."""
        self.look_at_all()
        self.place = self.find(role, name)

    def look_at_all(self) -> None:
        """Go on in the page around the frame."""
        self.place = self.page

    def find(self, role: str, name: Name) -> Locator:
        """The one control or heading of this role and exactly this name."""
        return self.place.get_by_role(role, name=name, exact=True)

    def see(self, role: str, name: Name, seconds: float = SEEN_SECONDS_MAX) -> None:
        expect(self.find(role, name)).to_be_visible(timeout=seconds * 1000)

    def see_text(self, text: str) -> None:
        expect(self.place.get_by_text(text, exact=True)).to_be_visible(timeout=SEEN_SECONDS_MAX * 1000)

    def click(self, role: str, name: Name) -> None:
        self.actions += 1
        self.find(role, name).click()

    def fill(self, role: str, name: Name, text: str) -> None:
        self.actions += 1
        self.find(role, name).fill(text)

    def select(self, role: str, name: Name, option: str) -> None:
        self.actions += 1
        self.find(role, name).select_option(label=option)

    def press(self, key: str) -> None:
        self.actions += 1
        self.page.keyboard.press(key)


class KeyboardWalker(Walker):
    """The same with nothing but a keyboard. Whatever they come by on their way must show that it has the focus."""

    def click(self, role: str, name: Name) -> None:
        self._reach(self.find(role, name))
        self.press("Space" if role in ("radio", "checkbox") else "Enter")

    def fill(self, role: str, name: Name, text: str) -> None:
        self._reach(self.find(role, name))
        self.press("ControlOrMeta+A")
        self.actions += 1
        self.page.keyboard.type(text)

    def select(self, role: str, name: Name, option: str) -> None:
        """By typing its first letters, as everybody does who knows a list's words."""
        self._reach(self.find(role, name))
        self.actions += 1
        self.page.keyboard.type(option)
        expect(self.find(role, name).get_by_role("option", name=option, selected=True)).to_have_count(1)

    def _reach(self, control: Locator) -> None:
        expect(control).to_be_visible(timeout=SEEN_SECONDS_MAX * 1000)
        for _ in range(STOPS_MAX):
            if self._has_focus(control):
                return
            self.press("Tab")
            self.see_ring()
        raise AssertionError(f"{STOPS_MAX} presses of Tab did not reach {control}")

    def _has_focus(self, control: Locator) -> bool:
        return bool(control.evaluate("(it) => document.hasFocus() && it.getRootNode().activeElement == it"))

    def see_ring(self) -> None:
        """What has the focus shows it."""
        for frame in self.page.frames:
            assert not (unmarked := frame.evaluate(RING)), f"no visible focus on {unmarked}"
