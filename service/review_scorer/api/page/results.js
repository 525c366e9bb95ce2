// What came of a file: figures, plots, what failed, the table, and the file to save.

import { drawConfusion, drawHistogram } from './chart.js';
import { write } from './csv.js';
import { find, make } from './dom.js';
import { average, confusion, errors, furthest } from './figures.js';
import { count, say, share } from './language.js';
import { stars } from './stars.js';
import { ORDERS, showTable, why } from './table.js';

const LITTLE_KNOWN = 0.6;
const [FAILED_SHOWN, APART_SHOWN] = [20, 8];

// `rows` are all of the file: {row, text, truth} and what the service said. `truth` tells whether there are true stars.
export function showResults(rows, { truth }) {
  const scored = rows.filter(({ score }) => score !== undefined);
  const failed = rows.filter(({ error }) => error);
  const pairs = scored.filter((row) => row.truth !== null);
  find('file-result').hidden = false;
  showTiles({ scored, failed, pairs });
  drawHistogram(find('histogram'), scored.map(({ score }) => score));
  find('confusion-card').hidden = find('apart-card').hidden = !pairs.length;
  if (pairs.length) {
    drawConfusion(find('confusion'), confusion(pairs));
    find('apart').replaceChildren(...furthest(pairs, APART_SHOWN).map(disagreement));
  }
  showFailed(failed);
  showOrders();
  showTable(find('table'), rows, { order: find('order').value, truth });
}

export const redrawHistogram = (rows) =>
  drawHistogram(find('histogram'), rows.flatMap(({ score }) => (score === undefined ? [] : [score])));

// The rows as they came, with five columns more.
export function save(rows, { name, header, safe }) {
  const added = ({ score, interval, vocabulary_coverage: coverage, error }) =>
    score === undefined ? ['', '', '', '', error ? why({ error }) : say('unsent')] : [score, ...interval, coverage, ''];
  const width = Math.max(header?.length ?? 0, ...rows.map(({ cells }) => cells.length));
  const wide = (cells, fill) => Array.from({ length: width }, (_, at) => cells[at] ?? fill(at));
  const lines = [
    [...wide(header ?? [], (at) => `column_${at + 1}`), 'predicted_stars', 'interval_low', 'interval_high', 'vocabulary_coverage', 'error'],
    ...rows.map((row) => [...wide(row.cells, () => ''), ...added(row)]),
  ];
  const address = URL.createObjectURL(new Blob([write(lines, { safe })], { type: 'text/csv;charset=utf-8' }));
  make('a', { href: address, download: `${name.replace(/\.[^.]*$/, '')}-stars.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function showTiles({ scored, failed, pairs }) {
  const low = scored.filter(({ vocabulary_coverage: coverage }) => coverage < LITTLE_KNOWN).length;
  const tiles = [
    ['tile_scored', count(scored.length)],
    ['tile_failed', count(failed.length)],
    ['tile_low', count(low)],
    ['tile_mean', scored.length ? stars(average(scored)) : '–'],
  ];
  if (pairs.length) {
    const { rmse, mae, within } = errors(pairs);
    tiles.push(['tile_true', count(pairs.length)], ['tile_rmse', stars(rmse)], ['tile_mae', stars(mae)], ['tile_within', share(within)]);
  }
  find('tiles').replaceChildren(...tiles.map(([word, figure]) =>
    make('div', { class: 'tile', id: word }, make('b', {}, figure), make('span', {}, say(word)))));
}

function showFailed(failed) {
  const shown = failed.slice(0, FAILED_SHOWN).map((row) => make('li', {},
    make('b', {}, say('failed_row', { row: count(row.row) })), ' ', make('span', { class: 'why' }, why(row)), ' ',
    make('span', { class: 'soft excerpt', lang: 'ja' }, row.text.slice(0, 60))));
  if (failed.length > FAILED_SHOWN) {
    shown.push(make('li', { class: 'soft' }, say('failed_more', { count: count(failed.length - FAILED_SHOWN) })));
  }
  find('failed-card').hidden = !failed.length;
  find('failed').replaceChildren(...shown);
}

function showOrders() {
  const select = find('order');
  const chosen = select.value || ORDERS[0];
  select.replaceChildren(...ORDERS.map((order) => make('option', { value: order }, say(`order_${order}`))));
  select.value = chosen;
}

const disagreement = ({ row, truth, score, text }) => make('li', {},
  make('p', { class: 'apart-head' }, make('b', {}, say('apart_words', { truth, score: stars(score) })), ' ',
    make('span', { class: 'soft small' }, say('failed_row', { row: count(row) }))),
  make('p', { class: 'clamp', lang: 'ja' }, text.slice(0, 300)));
