// All rows, a page of them at a time.

import { explain } from './api.js';
import { make } from './dom.js';
import { count, say } from './language.js';
import { outward, stars } from './stars.js';

const ROWS = 25;

const BY = {
  file: (a, b) => a.row - b.row,
  high: (a, b) => (b.score ?? 0) - (a.score ?? 0),
  low: (a, b) => (a.score ?? 9) - (b.score ?? 9),
};

export const ORDERS = Object.keys(BY);

export const why = ({ error }) => (error ? explain(error) : say('unsent'));

export function showTable(box, rows, { order, page = 0, truth }) {
  const sorted = [...rows].sort(BY[order]);
  const shown = sorted.slice(page * ROWS, (page + 1) * ROWS);
  const head = (word, name) => make('th', { scope: 'col', class: name }, say(word));
  const turn = (word, to) => {
    const button = make('button', { type: 'button', class: 'button quiet' }, say(word));
    button.disabled = to < 0 || to * ROWS >= rows.length;
    button.addEventListener('click', () => {
      showTable(box, rows, { order, page: to, truth });
      const again = [...box.querySelectorAll('nav button')].find((each) => each.textContent === button.textContent);
      (again.disabled ? box.querySelector('nav button:enabled') : again)?.focus();
    });
    return button;
  };
  const values = { from: count(page * ROWS + 1), to: count(page * ROWS + shown.length), all: count(rows.length) };
  box.replaceChildren(
    make('table', { class: 'rows' },
      make('thead', {}, make('tr', {}, head('row', 'number'), ...(truth ? [head('truth', 'stars-cell')] : []),
        head('predicted', 'stars-cell'), head('range', 'range'), head('text', 'words'))),
      make('tbody', {}, ...shown.map((row) => line(row, truth)))),
    make('nav', { class: 'pages', 'aria-label': say('pages') },
      turn('previous', page - 1), make('span', { class: 'small' }, say('page', values)), turn('next', page + 1)));
}

function line(row, truth) {
  const scored = row.score !== undefined;
  const range = scored ? Object.values(outward(...row.interval)).join('–') : '';
  return make('tr', { class: scored ? null : 'failed-row' },
    make('td', { class: 'number' }, count(row.row)),
    ...(truth ? [make('td', { class: 'stars-cell' }, row.truth === null ? '–' : `${row.truth}`)] : []),
    make('td', { class: 'stars-cell' }, scored ? make('b', {}, stars(row.score)) : '–'),
    make('td', { class: 'range' }, range),
    make('td', { class: 'words' }, make('div', { class: 'clamp', lang: 'ja' }, row.text.slice(0, 300)),
      ...(scored ? [] : [make('span', { class: 'why' }, why(row))])));
}
