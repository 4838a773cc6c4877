/* What Shopify's order status page offers script tags: which order it shows, and boxes of text below it.
 * https://shopify.dev/docs/storefronts/themes/trust-security/order-status */
(() => {
  'use strict';

  window.Shopify.checkout = { order_id: Number(document.currentScript.dataset.orderId) };
  window.Shopify.Checkout = {
    OrderStatus: {
      addContentBox(...parts) {
        const box = document.createElement('div');
        box.className = 'notice';
        box.innerHTML = parts.join('');
        document.querySelector('[data-content-boxes]').append(box);
      },
    },
  };
})();
