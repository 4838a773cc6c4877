/* The theme editor, and the admin's side of the app frame: ID tokens, navigation, title bar, save bar, toast, and the
 * address bar. */
(() => {
  'use strict';

  const menu = document.querySelector('[data-menu]');
  const rail = document.querySelector('[data-rail]');
  const closeMenu = () => {
    rail.setAttribute('data-closed', '');
    menu.setAttribute('aria-expanded', 'false');
  };
  menu.addEventListener('click', () => {
    const open = rail.toggleAttribute('data-closed') === false;
    menu.setAttribute('aria-expanded', String(open));
  });
  for (const chooser of document.querySelectorAll('[data-choose]')) {
    chooser.addEventListener('change', () => chooser.form.requestSubmit());
  }

  const editor = document.querySelector('[data-editor]');
  if (editor) showChanges(editor, document.querySelector('[data-preview]'), document.querySelector('[data-unsaved-state]'));

  /** The theme editor: what changes in the form is shown in the frame at once, and stays unsaved. */
  function showChanges(form, preview, state) {
    const show = async () => {
      const body = new FormData(form);
      body.set('quiet', '1');
      const kept = await fetch(form.action, { method: 'POST', body });
      state.textContent = kept.ok ? state.dataset.unsaved : state.dataset.wrong;
      if (!kept.ok) return;
      const loaded = new Promise((done) => { preview.addEventListener('load', done, { once: true }); });
      preview.contentWindow.location.reload();
      await loaded; // a reload asked for while another is on its way can be left out
    };
    let shown = Promise.resolve(); // one after the other: the last change is the one that stays
    form.addEventListener('change', () => { shown = shown.then(show, show); });
  }

  const frame = document.querySelector('iframe[data-app]');
  if (!frame) return;

  const { appOrigin, appBase, adminBase, tokenUrl, name } = frame.dataset;
  const texts = document.querySelector('[data-texts]').dataset;
  const heading = document.querySelector('[data-app-title]');
  const actions = document.querySelector('[data-app-actions]');
  const list = document.querySelector('[data-app-navigation]');
  const loading = document.querySelector('[data-app-loading]');
  const trouble = document.querySelector('[data-app-trouble]');
  const saveBar = document.querySelector('[data-save-bar]');
  const leaveDialog = document.querySelector('[data-leave]');
  const toast = document.querySelector('[data-toast]');
  const TROUBLE_AFTER_MS = 12000;

  let drawn = { navigation: [], title: '', actions: [] };
  let framePath = appBase;
  let toastTimer = 0;

  const tell = (message) => frame.contentWindow.postMessage({ appBridge: true, ...message }, appOrigin);
  const answer = (id, value, error) => tell({ type: 'answer', id, value, error });
  const troubleTimer = setTimeout(() => {
    loading.hidden = true;
    trouble.hidden = false;
  }, TROUBLE_AFTER_MS);

  function adminUrl(path) {
    const inside = path.startsWith(appBase) ? path.slice(appBase.length) : path.replace(/^\/app/, '').replace(/^\//, '');
    return adminBase + inside;
  }

  /** The item the frame's page lies under; failing that, one of the same area (`/app/loyalty/…`). */
  function currentOf(items) {
    const here = framePath.split('?')[0];
    const area = (path) => path.slice(appBase.length).split(/[/?]/)[0];
    const above = items.filter((item) => here.startsWith(item.path.split('?')[0]));
    return above.sort((a, b) => b.path.length - a.path.length)[0]
      || items.find((item) => area(item.path) && area(item.path) === area(here));
  }

  let listed = '';

  function drawNavigation() {
    const shown = drawn.navigation.map((item, index) => ({ ...item, index })).filter((item) => !item.home);
    if (listed !== JSON.stringify(shown)) { // links that stay are left alone: somebody may just be pressing one
      listed = JSON.stringify(shown);
      list.replaceChildren(...shown.map(entryOf));
      list.hidden = shown.length === 0;
    }
    const current = shown.indexOf(currentOf(shown));
    list.querySelectorAll('a').forEach((link, number) => {
      if (number === current) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    });
  }

  function entryOf(item) {
    const link = document.createElement('a');
    link.href = adminUrl(item.path);
    link.textContent = item.label;
    link.addEventListener('click', (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      if (mustDecideFirst()) return;
      closeMenu();
      tell({ type: 'navigation-click', index: item.index });
    });
    const entry = document.createElement('li');
    entry.append(link);
    return entry;
  }

  function drawTitle() {
    heading.textContent = drawn.title || name;
    document.title = [drawn.title, name, texts.shop].filter((part, index, all) => part && all.indexOf(part) === index).join(' · ');
    actions.replaceChildren(...drawn.actions.map((action, index) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = action.primary ? 'button button-main' : 'button';
      button.textContent = action.label;
      button.disabled = action.disabled;
      button.addEventListener('click', () => tell({ type: 'title-click', index }));
      return button;
    }));
  }

  function mustDecideFirst() {
    if (saveBar.hidden) return false;
    saveBar.classList.remove('save-bar-waiting');
    void saveBar.offsetWidth;
    saveBar.classList.add('save-bar-waiting');
    saveBar.querySelector('button').focus();
    return true;
  }

  function confirmLeave(id) {
    leaveDialog.addEventListener('close', () => answer(id, leaveDialog.returnValue === 'leave'), { once: true });
    leaveDialog.returnValue = 'stay';
    leaveDialog.showModal();
  }

  async function giveToken(id) {
    try {
      const response = await fetch(tokenUrl, { headers: { Accept: 'application/json' } });
      if (!response.ok) throw new Error(`the admin could not make an ID token (${response.status})`);
      answer(id, (await response.json()).id_token);
    } catch (problem) {
      answer(id, null, problem.message);
    }
  }

  const handlers = {
    'id-token': ({ id }) => giveToken(id),
    path({ path }) {
      if (!path.startsWith(appBase.replace(/\/$/, ''))) return;
      framePath = path;
      clearTimeout(troubleTimer);
      loading.hidden = true;
      trouble.hidden = true;
      if (window.location.pathname + window.location.search + window.location.hash !== adminUrl(path)) {
        history.replaceState(null, '', adminUrl(path));
      }
      drawNavigation();
    },
    drawn(next) {
      drawn = next;
      drawNavigation();
      drawTitle();
    },
    toast({ message, isError, duration }) {
      clearTimeout(toastTimer);
      toast.textContent = message;
      toast.classList.toggle('toast-bad', Boolean(isError));
      toastTimer = setTimeout(() => { toast.textContent = ''; }, duration || 5000);
    },
    'save-bar': ({ visible }) => { saveBar.hidden = !visible; },
    leave: ({ id }) => confirmLeave(id),
    admin: ({ path }) => window.location.assign(`/admin${path}`),
    loading: ({ isLoading }) => { loading.hidden = !isLoading; },
  };

  window.addEventListener('message', (event) => {
    if (event.origin !== appOrigin || event.source !== frame.contentWindow || !event.data || !event.data.appBridge) return;
    const handler = handlers[event.data.type];
    if (handler) handler(event.data);
  });

  for (const button of saveBar.querySelectorAll('button')) {
    button.addEventListener('click', () => tell({ type: 'save-bar-click', action: button.value }));
  }

  frame.src = frame.dataset.app;
})();
