/* A stand-in for Shopify's App Bridge: what an embedded page needs of it, talking to devstore's admin page.
 *
 * It offers window.shopify (idToken, toast, saveBar, config, environment), adds a fresh ID token to every fetch and
 * XMLHttpRequest to the page's own origin, repeats such a request once when the answer is 401 with
 * X-Shopify-Retry-Invalid-Session-Request, and tells the admin the page's path, title and navigation. Outside the
 * admin's frame it stays quiet: requests go out as they are. It adds no markup, no inline style and no inline script.
 */
(() => {
  'use strict';
  if (window.shopify) return;

  const script = document.currentScript;
  const admin = new URL(script.src).origin;
  const framed = window.parent !== window;
  const RETRY_HEADER = 'X-Shopify-Retry-Invalid-Session-Request';
  const LEAVE_HEADER = 'X-Shopify-API-Request-Failure-Reauthorize-Url';
  const LAUNCH_PARAMETERS = ['embedded', 'hmac', 'host', 'id_token', 'locale', 'session', 'shop', 'timestamp'];
  const ANSWER_TIMEOUT_MS = 15000;
  const TOKEN_MARGIN_MS = 10000;

  // --- Talking to the admin page ---------------------------------------------------------------------------------

  const waiting = new Map();
  let lastId = 0;

  function tell(type, detail = {}) {
    if (framed) window.parent.postMessage({ appBridge: true, type, ...detail }, admin);
  }

  /** Ask the admin a question; rejects when nobody answers in time, as when the page is not in the admin. */
  function ask(type, detail = {}) {
    if (!framed) return Promise.reject(new Error(`App Bridge: ${type} needs the admin, this page is outside it`));
    return new Promise((resolve, reject) => {
      const id = ++lastId;
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`App Bridge: the admin did not answer ${type}`));
      }, type === 'leave' ? 2 ** 30 : ANSWER_TIMEOUT_MS);
      waiting.set(id, (answer) => {
        clearTimeout(timer);
        if (answer.error) reject(new Error(answer.error));
        else resolve(answer.value);
      });
      tell(type, { id, ...detail });
    });
  }

  window.addEventListener('message', (event) => {
    if (event.origin !== admin || event.source !== window.parent || !event.data || !event.data.appBridge) return;
    const { type, id, index, action } = event.data;
    if (type === 'answer' && waiting.has(id)) {
      waiting.get(id)(event.data);
      waiting.delete(id);
    } else if (type === 'navigation-click') {
      click(navigationLinks()[index]);
    } else if (type === 'title-click') {
      click(titleActions()[index]);
    } else if (type === 'save-bar-click') {
      saveBarClicked(action);
    }
  });

  function click(element) {
    if (element) element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, composed: true }));
  }

  // --- ID tokens ---------------------------------------------------------------------------------------------------

  let token = null;

  function expiryOf(jwt) {
    const payload = jwt.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    return JSON.parse(atob(payload)).exp * 1000;
  }

  /** A token with some life left; `renew` asks for a new one whatever the old one says. */
  async function idToken(renew = false) {
    if (renew || !token || token.expires - TOKEN_MARGIN_MS < Date.now()) {
      const value = await ask('id-token');
      token = { value, expires: expiryOf(value) };
    }
    return token.value;
  }

  /** The token, or '' when the admin gives none: the request then goes out bare and the server says so. */
  const tokenOrNone = (renew) => idToken(renew).catch(() => '');

  const isOurs = (url) => framed && new URL(url, document.baseURI).origin === window.location.origin;
  const asksForRepeat = (status, header) => status === 401 && header(RETRY_HEADER) === '1';

  function leaveWhenTold(header) {
    const url = header(LEAVE_HEADER);
    if (url) window.open(url, '_top');
  }

  const plainFetch = window.fetch.bind(window);

  async function fetchWithToken(input, init) {
    const request = new Request(input, init);
    if (!isOurs(request.url) || request.headers.has('Authorization')) return plainFetch(input, init);
    const repeat = request.clone();
    const send = async (outgoing, renew) => {
      const value = await tokenOrNone(renew);
      if (value) outgoing.headers.set('Authorization', `Bearer ${value}`);
      return plainFetch(outgoing);
    };
    let response = await send(request, false);
    if (asksForRepeat(response.status, (name) => response.headers.get(name))) response = await send(repeat, true);
    leaveWhenTold((name) => response.headers.get(name));
    return response;
  }

  const SILENCED_EVENTS = ['readystatechange', 'progress', 'load', 'loadend'];

  /** Listeners added here run before the page's own, so that the page never sees the answer that is repeated. */
  class RequestWithToken extends XMLHttpRequest {
    #call = null;
    #body = null;
    #headers = [];
    #tries = 0;

    constructor() {
      super();
      for (const name of SILENCED_EVENTS) this.addEventListener(name, (event) => this.#watch(event));
    }

    open(method, url, isAsync = true, ...credentials) {
      this.#call = [method, url, isAsync, ...credentials];
      this.#headers = [];
      this.#tries = 0;
      super.open(method, url, isAsync, ...credentials);
    }

    setRequestHeader(name, value) {
      super.setRequestHeader(name, value);
      this.#headers.push([name, value]);
    }

    send(body = null) {
      const [, url, isAsync] = this.#call || [];
      const hasOwn = this.#headers.some(([name]) => name.toLowerCase() === 'authorization');
      if (!isAsync || hasOwn || !isOurs(url)) {
        super.send(body);
        return;
      }
      this.#body = body;
      this.#attempt(false);
    }

    abort() {
      this.#tries = Infinity;
      super.abort();
    }

    async #attempt(renew) {
      this.#tries += 1;
      const mine = this.#tries;
      const value = await tokenOrNone(renew);
      if (this.#tries !== mine || this.readyState !== XMLHttpRequest.OPENED) return;
      if (value) super.setRequestHeader('Authorization', `Bearer ${value}`);
      super.send(this.#body);
    }

    #watch(event) {
      if (this.#tries !== 1 || this.readyState < XMLHttpRequest.HEADERS_RECEIVED) return;
      if (!asksForRepeat(this.status, (name) => this.getResponseHeader(name))) {
        if (event.type === 'load') leaveWhenTold((name) => this.getResponseHeader(name));
        return;
      }
      event.stopImmediatePropagation();
      if (event.type !== 'loadend') return;
      const { responseType, timeout, withCredentials } = this;
      super.open(...this.#call);
      Object.assign(this, { responseType, timeout, withCredentials });
      for (const [name, given] of this.#headers) super.setRequestHeader(name, given);
      this.#attempt(true);
    }
  }

  if (framed) {
    window.fetch = fetchWithToken;
    window.XMLHttpRequest = RequestWithToken;
  }

  // --- The patch page: fetch a token, then load the page that was asked for -----------------------------------------

  const parameters = new URLSearchParams(window.location.search);
  const reload = parameters.get('shopify-reload');

  async function reloadWithToken() {
    const target = new URL(reload, window.location.origin);
    if (target.origin !== window.location.origin) return;
    if (!framed) {
      const path = target.pathname.replace(/^\/app\/?/, '');
      window.location.replace(`${admin}/admin/apps/encore/${path}${withoutLaunchParameters(target.search)}`);
      return;
    }
    target.searchParams.set('id_token', await idToken(true));
    window.location.replace(target.href);
  }

  if (reload) reloadWithToken();

  // --- Path, title and navigation are drawn by the admin ------------------------------------------------------------

  function withoutLaunchParameters(search) {
    const kept = new URLSearchParams(search);
    for (const name of LAUNCH_PARAMETERS) kept.delete(name);
    const text = kept.toString();
    return text && `?${text}`;
  }

  function tellPath() {
    const { pathname, search, hash } = window.location;
    tell('path', { path: pathname + withoutLaunchParameters(search) + hash });
    drawnByAdmin();
  }

  const navigationLinks = () => [...document.querySelectorAll('s-app-nav a[href], s-app-nav s-link[href], ui-nav-menu a[href]')];
  const titleBar = () => document.querySelector('ui-title-bar, s-page[heading]');
  const titleActions = () => {
    const bar = document.querySelector('ui-title-bar');
    return bar ? [...bar.querySelectorAll('button, a[href]')] : [];
  };

  if (framed) {
    const sheet = new CSSStyleSheet(); // not an inline style: the page's policy need not allow those
    sheet.replaceSync('s-app-nav, ui-nav-menu, ui-title-bar, ui-save-bar { display: none !important }');
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }

  let lastDrawn = '';

  function drawnByAdmin() {
    if (!framed) return;
    const links = navigationLinks();
    const bar = titleBar();
    const drawn = {
      navigation: links.map((link) => {
        const target = new URL(link.getAttribute('href'), document.baseURI);
        return { label: link.textContent.trim(), path: target.pathname + target.search, home: link.rel === 'home' || link.getAttribute('rel') === 'home' };
      }),
      title: (bar && (bar.getAttribute('title') || bar.getAttribute('heading'))) || document.title,
      actions: titleActions().map((action) => ({
        label: action.textContent.trim(),
        primary: action.getAttribute('variant') === 'primary',
        disabled: Boolean(action.disabled),
      })),
      language: document.documentElement.lang,
    };
    const text = JSON.stringify(drawn);
    if (text !== lastDrawn && !reload) {
      lastDrawn = text;
      tell('drawn', drawn);
    }
  }

  for (const name of ['pushState', 'replaceState']) {
    const plain = history[name].bind(history);
    history[name] = (...given) => {
      plain(...given);
      tellPath();
    };
  }
  window.addEventListener('popstate', tellPath);
  window.addEventListener('hashchange', tellPath);
  window.addEventListener('pageshow', tellPath);

  // --- Save bar -----------------------------------------------------------------------------------------------------

  let saveBar = null; // {form} of a form with data-save-bar, or {element} of a <ui-save-bar>

  function showSaveBar(next) {
    saveBar = next;
    tell('save-bar', { visible: true });
  }

  function hideSaveBar() {
    if (!saveBar) return;
    saveBar = null;
    tell('save-bar', { visible: false });
  }

  function isChanged(form) {
    return [...form.elements].some((field) => {
      if (field.type === 'checkbox' || field.type === 'radio') return field.checked !== field.defaultChecked;
      if (field.options) {
        const chosen = [...field.options];
        return chosen.some((option) => option.defaultSelected)
          ? chosen.some((option) => option.selected !== option.defaultSelected)
          : field.selectedIndex > 0;
      }
      return 'defaultValue' in field && field.type !== 'hidden' && field.value !== field.defaultValue;
    });
  }

  function formEdited(event) {
    const form = event.target.form;
    if (!form || !form.hasAttribute('data-save-bar')) return;
    if (isChanged(form)) showSaveBar({ form });
    else hideSaveBar();
  }

  async function saveBarClicked(action) {
    const { form, element } = saveBar || {};
    if (form && action === 'save') form.requestSubmit();
    if (form && action === 'discard') {
      if (form.hasAttribute('data-discard-confirmation') && !(await ask('leave', { discard: true }))) return;
      form.reset();
      hideSaveBar();
    }
    if (element) click(element.querySelector(action === 'save' ? 'button[variant="primary"]' : 'button:not([variant="primary"])'));
  }

  document.addEventListener('input', formEdited);
  document.addEventListener('change', formEdited);
  document.addEventListener('submit', (event) => {
    if (saveBar && saveBar.form === event.target) hideSaveBar();
  });
  document.addEventListener('reset', (event) => {
    if (saveBar && saveBar.form === event.target) hideSaveBar();
  });

  // --- Links to the admin's own pages -------------------------------------------------------------------------------

  document.addEventListener('click', (event) => {
    const link = event.target.closest && event.target.closest('a[href^="shopify:"]');
    if (!link || !framed || event.defaultPrevented) return;
    event.preventDefault();
    tell('admin', { path: link.getAttribute('href').replace(/^shopify:(\/\/)?admin/, '') });
  });

  // --- What the page may call ---------------------------------------------------------------------------------------

  const meta = document.querySelector('meta[name="shopify-api-key"]');
  window.shopify = {
    config: {
      apiKey: (meta && meta.content) || script.dataset.apiKey || '',
      shop: parameters.get('shop') || '',
      host: parameters.get('host') || '',
      locale: parameters.get('locale') || document.documentElement.lang || 'en',
      disabledFeatures: [],
      appOrigins: [],
    },
    environment: { embedded: framed, mobile: false, pos: false },
    ready: Promise.resolve(),
    idToken: () => idToken(),
    toast: {
      show(message, { isError = false, duration = 5000 } = {}) {
        tell('toast', { message: String(message), isError, duration });
        return String(++lastId);
      },
      hide() {
        tell('toast', { message: '' });
      },
    },
    saveBar: {
      async show(id) {
        showSaveBar({ element: document.getElementById(id) });
      },
      async hide() {
        hideSaveBar();
      },
      async leaveConfirmation() {
        if (saveBar && !(await ask('leave'))) throw new Error('App Bridge: the person stayed on the page');
        hideSaveBar();
      },
    },
    loading(isLoading) {
      tell('loading', { isLoading: isLoading !== false });
    },
  };

  document.addEventListener('DOMContentLoaded', () => {
    tellPath();
    new MutationObserver(() => {
      if (saveBar && saveBar.form && !saveBar.form.isConnected) hideSaveBar();
      drawnByAdmin();
    }).observe(document.documentElement, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['href', 'title', 'heading', 'disabled', 'lang'] });
  });
})();
