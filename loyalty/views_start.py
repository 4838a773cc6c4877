"""The first-run assistant: from the shop's own orders to a live programme in five steps, all on the one draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty import selectors, start
from loyalty.documents import document_warnings
from loyalty.forms import PublishForm
from loyalty.models import ProgrammeDraft, Setup
from loyalty.programme import DraftConflict, draft_save
from loyalty.rules.programme import Document, completed
from loyalty.rules_form import RulesForm, initial_of, row_added, row_removed
from loyalty.sentences import sentences
from loyalty.views import overtaken, revision_named, revision_of
from loyalty.views_preview import Panel
from loyalty.views_review import past_choices, published
from retention_app import clock, sync
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Shop
from retention_app.rights import Right
from retention_app.services.store import store_change
from retention_app.store_form import StoreForm, store_initial
from retention_app.views.admin_page import done, is_part, page
from retention_app.words import Words, words_for

STORE, POINTS, TIERS, TIME, LAUNCH = range(1, 6)  # steps by their numbers
FIELDS = {
    POINTS: ("earn_per", "earn_points", "worth_points", "worth_amount"),
    TIERS: ("level_",),
    TIME: ("waiting_days", "waiting_after", "expiry_months"),
}  # what each step asks, by how its fields' names begin


@dataclass(frozen=True)
class Told:
    goods: str
    margin_percent: int | None


class _Begun:
    """The draft, if one is kept, what the shop's orders and its staff say, and the rules that come of them; each looked
    up once. `asked`: the first step as it is being answered."""

    def __init__(self, shop: Shop, asked: Mapping[str, str] | None = None) -> None:
        self.shop, self.asked = shop, asked

    @cached_property
    def kept(self) -> ProgrammeDraft | None:
        return ProgrammeDraft.objects.first()

    @cached_property
    def known(self) -> start.Known:
        return start.known(self.shop)

    @cached_property
    def document(self) -> Document:
        if self.kept:
            return completed(self.kept.document)
        told = self.told
        return start.document_proposed(self.shop.currency, self.known.average_minor, told.goods, told.margin_percent)

    @cached_property
    def store(self) -> StoreForm:
        return StoreForm(self.asked, initial=store_initial(self.shop, self.known.coming_back.goods))

    @cached_property
    def told(self) -> Told:
        """What is answered of the store, and what is kept while that can't be read."""
        if self.asked is not None and self.store.is_valid():
            return Told(self.store.cleaned_data["goods"], self.store.cleaned_data["margin"])
        return Told(self.shop.goods or self.known.coming_back.goods, self.shop.margin_percent)


@shop_view(Right.PROGRAMME, methods=["GET", "POST"], look=Right.PROGRAMME)
def step(request: ShopRequest) -> HttpResponse:
    """`?step=`: 1 to 5. `#preview` renews while somebody types. A POST keeps what was answered and goes on; the last
    one publishes."""
    if selectors.programme_decided():
        return HttpResponseRedirect(reverse("loyalty:programme"))
    setup, _created = Setup.objects.get_or_create(shop_id=request.shop.id, defaults={"opened_at": clock.now()})
    number = _number(request, setup)
    if number == STORE:
        return _store(request, setup)
    begun = _Begun(request.shop)
    if is_part(request, "preview"):
        return _page(request, setup, number, begun, flat=_answered(begun, number, request.GET))
    if request.method == "GET":
        return _page(request, setup, number, begun)
    if number == LAUNCH:
        return _launch(request, setup, begun)
    flat = _answered(begun, number, request.POST)
    for asked, changed in _ROWS.items():
        if row := request.POST.get(asked):
            return _page(request, setup, number, begun, flat=changed(flat, row))
    form = RulesForm(flat, shop=request.shop)
    if not form.is_valid() or not form.document:
        return _page(request, setup, number, begun, form=form, status=422)
    try:
        draft_save(request.shop.id, form.document, request.actor, draft_revision=revision_named(request))
    except DraftConflict:
        return _page(request, setup, number, _Begun(request.shop), form=form, status=409)
    return _on(request, setup, number)


def _on(request: ShopRequest, setup: Setup, number: int) -> HttpResponse:
    """To the step after this one, which is done."""
    Setup.objects.filter(id=setup.id, step__lte=number).update(step=number + 1)
    return done(request, f"{reverse('start:step')}?step={number + 1}", toast=_("Saved"))


def _store(request: ShopRequest, setup: Setup) -> HttpResponse:
    """The first step: what the rest is proposed from."""
    if request.method == "GET":
        asked = request.GET if is_part(request, "preview") else None
        return _page(request, setup, STORE, _Begun(request.shop, asked))
    begun = _Begun(request.shop, request.POST)
    if not begun.store.is_valid():
        return _page(request, setup, STORE, begun, status=422)
    told = begun.told
    store_change(shop=request.shop, goods=told.goods, margin_percent=told.margin_percent, actor=request.actor)
    return _on(request, setup, STORE)


_ROWS: Mapping[str, Callable[[Mapping[str, str], str], dict[str, str]]] = {"add": row_added, "remove": row_removed}


def _answered(begun: _Begun, number: int, given: Mapping[str, str]) -> dict[str, str]:
    """The fields so far with those of a step as they were given."""
    flat = initial_of(begun.document, begun.shop)
    if number in FIELDS:
        flat = {name: value for name, value in flat.items() if not name.startswith(FIELDS[number])}
        flat |= {name: given[name] for name in given if name.startswith(FIELDS[number])}
    if number == TIERS:
        flat = {"tiers_by": "spend", "tiers_period": "lifetime", **flat}
    return flat


@shop_view(Right.PROGRAMME, methods=["POST"])
def dismiss(request: ShopRequest) -> HttpResponse:
    """Take the guide off Home for good."""
    Setup.objects.filter(dismissed_at=None).update(dismissed_at=clock.now())
    return done(request, reverse("admin:home"))


def _number(request: ShopRequest, setup: Setup) -> int:
    """The step asked for, none further than the first that isn't done."""
    asked = request.GET.get("step", "")
    return min(int(asked), setup.step) if asked in ("1", "2", "3", "4", "5") else setup.step


def _page(
    request: ShopRequest,
    setup: Setup,
    number: int,
    begun: _Begun,
    *,
    form: RulesForm | None = None,
    flat: dict[str, str] | None = None,
    publish: PublishForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """A step with what is typed and can't be saved, with rows just added or removed, or with the draft."""
    shop, words = request.shop, words_for(request.shop)
    kept, known, saved = begun.kept, begun.known, begun.document
    typed = form or RulesForm(flat or initial_of(saved, shop), shop=shop)
    document = typed.document if typed.is_valid() and typed.document else saved
    shown = form or RulesForm(shop=shop, initial=flat or initial_of(saved, shop))
    shares = start.tier_shares(document, known, words) if number == TIERS else []
    progress = sync.import_progress(shop_id=shop.id)
    context: dict[str, Any] = {
        "shop": shop,
        "number": number,
        "steps": [(n, name, n < setup.step or n == number) for n, name in enumerate(start.step_names(), 1)],
        "name": start.step_names()[number - 1],
        "form": {STORE: begun.store, LAUNCH: publish or PublishForm(is_first=True, shop=shop)}.get(number, shown),
        "rules": shown,
        "fields": shown.sentence_fields(),
        "draft_revision": revision_of(kept),
        **overtaken(kept, form is not None and status == 409),
        "known": known,
        "city": words.city,
        "why": _why(number, document, begun, shares, words),
        "shares": shares,
        "sentences": sentences(document, words),
        "warnings": [warning.message() for warning in document_warnings(document, begun.told.margin_percent)],
        "importing": progress if progress and progress["running"] else None,
        "choices": past_choices(shop, document) if number == LAUNCH else [],
        "chosen": publish.data.get("count_past", "") if publish else "all",
        "start": publish.data.get("start", "") if publish else "now",
    }
    context["panel"] = Panel.of(shop, document, known.average_minor, words)
    template = "loyalty/start.html#preview" if is_part(request, "preview") else "loyalty/start.html"
    return page(request, template, context, current="loyalty", status=status)


def _why(number: int, document: Document, begun: _Begun, shares: list[start.Share], words: Words) -> str:
    told, known = begun.told, begun.known
    if number == STORE:
        return start.why_store(known, words)
    if number == POINTS:
        return start.why_points(document, known, told.margin_percent, words)
    if number == TIERS:
        return start.why_tiers(document, known, shares, words)
    return start.why_time(document) if number == TIME else ""


def _launch(request: ShopRequest, setup: Setup, begun: _Begun) -> HttpResponse:
    """Publish the draft as version 1, now or on a day."""
    form = PublishForm(request.POST, is_first=True, shop=request.shop)
    if not form.is_valid():
        return _page(request, setup, LAUNCH, begun, publish=form, status=422)
    progress = sync.import_progress(shop_id=request.shop.id)
    if progress and progress["running"]:
        form.add_error(None, _("Your history is still arriving. Publish when it is all here."))
        return _page(request, setup, LAUNCH, begun, publish=form, status=409)
    told, status = published(request, form)
    if not told:
        return _page(request, setup, LAUNCH, _Begun(request.shop), publish=form, status=status)
    return done(request, reverse("loyalty:programme"), toast=told)
