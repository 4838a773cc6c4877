"""What staff are asked about their store, in Settings and in the first-run assistant."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from retention_app.models import Shop
from retention_app.services.store import MARGIN_MAX
from retention_app.words import Words

MARGIN_DIGITS = 2

Goods = Shop.Goods


class StoreForm(forms.Form):
    """`goods`, and `margin` in percent of revenue, which may stay empty."""

    goods = forms.ChoiceField(choices=Goods.choices)
    margin = forms.CharField(max_length=MARGIN_DIGITS + 2, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["goods"].label = _("How soon are your goods bought again?")
        self.fields["goods"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one."))
        self.fields["margin"].label = _("Margin")
        self.fields["margin"].error_messages["max_length"] = _margin_wanted()

    @property
    def choices(self) -> list[tuple[str, str, str]]:
        """(value, name, what it means) of each kind of goods."""
        told = {
            Goods.USED_UP: _("within a month: coffee, cosmetics, pet food"),
            Goods.AGAIN: _("a few times a year: clothes, gifts, books"),
            Goods.RARELY: _("after years, or never: furniture, appliances"),
        }
        return [(goods.value, goods_name(goods), told[goods]) for goods in Goods]

    def clean_margin(self) -> int | None:
        """Percent; None when nothing is typed."""
        text = self.cleaned_data["margin"].strip().removesuffix("%").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MARGIN_MAX):
            raise forms.ValidationError(_margin_wanted())
        return int(text)


def _margin_wanted() -> str:
    return _("Enter a whole number from 1 to %(most)s, or leave it empty.") % {"most": MARGIN_MAX}


def store_initial(shop: Shop, proposed: str) -> dict[str, str]:
    """What the form begins with: what staff said, else the goods that the orders speak of."""
    margin = "" if shop.margin_percent is None else str(shop.margin_percent)
    return {"goods": shop.goods or proposed, "margin": margin}


def store_text(goods: str, margin_percent: int | None, words: Words) -> str:
    """Both in words, as far as they are said: "Bought again · margin 45%"."""
    margin = "" if margin_percent is None else _("margin %(share)s") % {"share": words.tick(margin_percent / 100)}
    return " · ".join(filter(None, (goods_name(goods), margin)))


def goods_name(goods: str) -> str:
    return {
        Goods.USED_UP.value: _("Used up"),
        Goods.AGAIN.value: _("Bought again"),
        Goods.RARELY.value: _("Rarely bought again"),
    }.get(goods, "")
