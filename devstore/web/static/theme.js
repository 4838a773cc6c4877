/* The theme's script: price of the chosen variant, adding to the cart without leaving the page, the consent banner, focus
 * on errors. */
(() => {
  'use strict';

  const wrong = document.querySelector('[data-focus]');
  if (wrong) wrong.focus();

  if (window.Shopify.designMode) {
    // In the theme editor the page only shows itself: nothing leads away from it.
    for (const kind of ['click', 'submit']) {
      document.addEventListener(kind, (event) => {
        if (kind === 'submit' || event.target.closest('a[href]')) event.preventDefault();
      });
    }
  }

  const consent = document.querySelector('[data-consent]');
  if (consent) {
    window.Shopify.loadFeatures([{ name: 'consent-tracking-api', version: '0.1' }], () => {
      for (const button of consent.querySelectorAll('button')) {
        button.addEventListener('click', () => {
          const yes = button.value === 'yes';
          const answer = { analytics: yes, marketing: yes, preferences: yes, sale_of_data: yes };
          window.Shopify.customerPrivacy.setTrackingConsent(answer, () => consent.remove());
        });
      }
    });
  }

  for (const field of document.querySelectorAll('[data-cart-quantity]')) {
    field.addEventListener('change', () => field.form.requestSubmit(field.form.querySelector('[name="update"]')));
  }

  const form = document.querySelector('[data-add-to-cart]');
  if (!form) return;

  const price = document.querySelector('[data-price]');
  const priceOfChoice = () => {
    const choice = form.querySelector('[data-price-of]:checked');
    if (choice) price.textContent = choice.dataset.priceOf;
  };
  form.addEventListener('change', priceOfChoice);
  priceOfChoice();

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const said = form.querySelector('[data-added]');
    const button = form.querySelector('button');
    if (button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    said.textContent = '';
    try {
      const added = await fetch('/cart/add.js', { method: 'POST', body: new FormData(form) });
      if (!added.ok) throw new Error((await added.json()).description);
      const cart = await (await fetch('/cart.js')).json();
      for (const count of document.querySelectorAll('[data-cart-count]')) count.textContent = cart.item_count;
      const link = document.createElement('a');
      link.href = '/cart';
      link.textContent = said.dataset.link;
      said.append(`${said.dataset.text} `, link);
    } catch (problem) {
      said.textContent = said.dataset.failed;
    } finally {
      button.removeAttribute('aria-busy');
    }
  });
})();
