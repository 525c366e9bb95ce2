// Table of all rows, with pages.

import { errorMessage } from './api.js';
import { createHTML } from './dom.js';
import { formatNumber, translate } from './language.js';
import { formatInterval, formatStars } from './stars.js';

const PAGE_ROWS = 25;

const COMPARE = {
  file: (a, b) => a.row - b.row,
  high: (a, b) => (b.score ?? 0) - (a.score ?? 0),
  low: (a, b) => (a.score ?? 9) - (b.score ?? 9),
};

export const ORDERS = Object.keys(COMPARE);

// The message for a row without a score.
export const errorOf = ({ error }) => (error ? errorMessage(error) : translate('unsent'));

export function showTable(box, rows, { order, page = 0, truth }) {
  const sorted = [...rows].sort(COMPARE[order]);
  const visible = sorted.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
  const heading = (word, name) => createHTML('th', { scope: 'col', class: name }, translate(word));
  const pageButton = (word, target) => {
    const button = createHTML('button', { type: 'button', class: 'button quiet' }, translate(word));
    button.disabled = target < 0 || target * PAGE_ROWS >= rows.length;
    button.addEventListener('click', () => {
      showTable(box, rows, { order, page: target, truth });
      const same = [...box.querySelectorAll('nav button')].find((each) => each.textContent === button.textContent);
      (same.disabled ? box.querySelector('nav button:enabled') : same)?.focus();
    });
    return button;
  };
  const values = { from: formatNumber(page * PAGE_ROWS + 1), to: formatNumber(page * PAGE_ROWS + visible.length), all: formatNumber(rows.length) };
  box.replaceChildren(
    createHTML('table', { class: 'rows' },
      createHTML('thead', {}, createHTML('tr', {}, heading('row', 'number'), ...(truth ? [heading('truth', 'stars-cell')] : []),
        heading('predicted', 'stars-cell'), heading('interval_80', 'interval'), heading('text', 'words'))),
      createHTML('tbody', {}, ...visible.map((row) => tableRow(row, truth)))),
    createHTML('nav', { class: 'pages', 'aria-label': translate('pages') },
      pageButton('previous', page - 1), createHTML('span', { class: 'small' }, translate('page', values)), pageButton('next', page + 1)));
}

function tableRow(row, truth) {
  const scored = row.score !== undefined;
  const interval = scored ? Object.values(formatInterval(...row.interval)).join('–') : '';
  return createHTML('tr', { class: scored ? null : 'failed-row' },
    createHTML('td', { class: 'number' }, formatNumber(row.row)),
    ...(truth ? [createHTML('td', { class: 'stars-cell' }, row.truth === null ? '–' : `${row.truth}`)] : []),
    createHTML('td', { class: 'stars-cell' }, scored ? createHTML('b', {}, formatStars(row.score)) : '–'),
    createHTML('td', { class: 'interval' }, interval),
    createHTML('td', { class: 'words' }, createHTML('div', { class: 'clamp', lang: 'ja' }, row.text.slice(0, 300)),
      ...(scored ? [] : [createHTML('span', { class: 'error' }, errorOf(row))])));
}
