"""One request of a person to a devstore page: who they are, their language and session, and how an answer is drawn."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from devstore import clock
from devstore.money import exponent
from devstore.shops import SHOP_COOKIE, Shop
from devstore.web import texts

HERE = Path(__file__).parent
SESSION_COOKIE = "devstore_session"
SESSION_DAYS = 30

PAGES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Visit:
    """A request with its form and session read. `session` is kept in a signed cookie when it has changed."""

    def __init__(self, request: Request, form: FormData, body: bytes) -> None:
        self.request = request
        self.form = form
        self.body = body
        self.shop = cast(Shop, request.state.shop)
        self.session: dict[str, Any] = self._read_session()
        self._session_before = dict(self.session)
        self.area = "theme"

    # --- What was asked ------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        return self.request.url.path

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default)

    def field(self, name: str) -> str:
        """A form field without the spaces around it, '' when it is missing."""
        return str(self.form.get(name, "")).strip()

    def page_number(self) -> int:
        """The `page` of the query, 1 when it is not a number from 1 up."""
        text = self.query("page")
        return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else 1

    @property
    def locale(self) -> str:
        """The language the person reads: the one asked for in the query, else the one chosen before, else English."""
        return str(self.session.get(f"{self.area}_locale", texts.ENGLISH))

    def choose_language(self) -> None:
        """Remember the language that the query asks for."""
        asked = texts.known_locale(self.query("locale"))
        if asked:
            self.session[f"{self.area}_locale"] = asked

    # --- Session ---------------------------------------------------------------------------------------------------

    @property
    def session_cookie(self) -> str:
        """A cookie for each shop: all are looked at under one host name."""
        return f"{SESSION_COOKIE}_{self.shop.id}"

    def _read_session(self) -> dict[str, Any]:
        cookie = self.request.cookies.get(self.session_cookie, "")
        try:
            claims = jwt.decode(cookie, self.shop.store.signing_key, algorithms=["HS256"], audience=str(self.shop.id))
        except jwt.InvalidTokenError:
            return {}
        return dict(claims["session"])

    def keep_session(self, response: Response) -> None:
        if "shop" in self.request.query_params:
            response.set_cookie(SHOP_COOKIE, self.shop.handle, httponly=True, samesite="lax")
        if self.session == self._session_before:
            return
        claims = {"aud": str(self.shop.id), "session": self.session}
        cookie = jwt.encode(claims, self.shop.store.signing_key, algorithm="HS256")
        response.set_cookie(self.session_cookie, cookie, max_age=SESSION_DAYS * 86400, httponly=True, samesite="lax")

    def say(self, text: str, *, problem: bool = False) -> None:
        """Show this on the next page the person sees."""
        self.session["problem" if problem else "notice"] = text

    # --- Words -----------------------------------------------------------------------------------------------------

    def text(self, english: str, **values: Any) -> str:
        return texts.translate(self.locale, english, **values)

    def text_for(self, one: str, many: str, n: int) -> str:
        """The right plural of a text with `{n}` in it."""
        english = one if n == 1 and self.locale == texts.ENGLISH else many
        return texts.translate(self.locale, english, n=self.number(n))

    def money(self, minor: int) -> str:
        """Minor units of the shop's currency as people write them: `R$36.00`."""
        currency = self.shop.currency
        amount = Decimal(minor).scaleb(-exponent(currency))
        return format_currency(amount, currency, locale=texts.BABEL_LOCALES[self.locale])

    def number(self, value: int | float) -> str:
        return format_decimal(value, locale=texts.BABEL_LOCALES[self.locale])

    def day(self, instant: str) -> str:
        local = clock.parse(clock.local(instant, self.shop.document["timezone"]))
        pattern = "long" if self.locale.startswith("zh") else "d MMM y"
        return format_date(local, pattern, locale=texts.BABEL_LOCALES[self.locale])

    def moment(self, instant: str, *, seconds: bool = False) -> str:
        local = clock.parse(clock.local(instant, self.shop.document["timezone"]))
        pattern = ("y年M月d日 HH:mm" if self.locale.startswith("zh") else "d MMM y, HH:mm") + (":ss" if seconds else "")
        return format_datetime(local, pattern, locale=texts.BABEL_LOCALES[self.locale])

    def language_url(self, locale: str) -> str:
        """This page in another language."""
        kept = [(name, value) for name, value in parse_qsl(self.request.url.query) if name != "locale"]
        return f"{self.path}?{urlencode([*kept, ('locale', locale)])}"

    # --- Answers ---------------------------------------------------------------------------------------------------

    def render(self, template: str, status: int = 200, **context: Any) -> Response:
        """Draw a page. What `say` left behind is shown once."""
        page = PAGES.get_template(template).render(
            shop=self.shop.document,
            path=self.path,
            locale=self.locale,
            languages=texts.LANGUAGES,
            language_url=self.language_url,
            _=self.text,
            n_=self.text_for,
            money=self.money,
            number=self.number,
            day=self.day,
            moment=self.moment,
            notice=self.session.pop("notice", ""),
            problem=self.session.pop("problem", ""),
            **context,
        )
        return HTMLResponse(page, status)

    def redirect(self, url: str) -> Response:
        """See other: the answer to a form that worked."""
        return RedirectResponse(url, 303)


Handler = Callable[[Visit], Response]


def _asked_elsewhere(request: Request) -> bool:
    """Whether a browser sent this from another site's page; a form post from there is refused."""
    origin = request.headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc != request.headers.get("host", "")


def page(path: str, handler: Handler, *, methods: tuple[str, ...] = ("GET",), area: str = "theme") -> Route:
    """A route whose handler gets a Visit and runs in a thread (pages read SQLite). `area` is `theme` or `admin`: the
    language of each is chosen on its own. Writing methods are answered 403 when another site's page sent them."""

    async def endpoint(request: Request) -> Response:
        if request.method not in ("GET", "HEAD") and _asked_elsewhere(request):
            return PlainTextResponse("This form was sent from another site.", 403)
        body = await request.body()
        visit = Visit(request, await request.form(), body)
        visit.area = area
        visit.choose_language()
        response = await run_in_threadpool(handler, visit)
        visit.keep_session(response)
        return response

    return Route(path, endpoint, methods=list(methods))
