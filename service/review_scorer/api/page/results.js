// Results of a file: figures, charts, failed rows, the table, and the CSV to save.

import { drawConfusionMatrix, drawHistogram } from './chart.js';
import { write } from './csv.js';
import { byId, createHTML } from './dom.js';
import { confusionMatrix, errorMetrics, largestErrors, meanScore } from './figures.js';
import { formatNumber, formatPercent, translate } from './language.js';
import { formatStars } from './stars.js';
import { errorOf, ORDERS, showTable } from './table.js';

const LOW_COVERAGE = 0.6;
const [MAX_FAILED, MAX_LARGEST_ERRORS] = [20, 8];

// `rows` are all rows of the file: {row, text, truth} and the result. `truth` is whether there is a stars column.
export function showResults(rows, { truth }) {
  const scored = rows.filter(({ score }) => score !== undefined);
  const failed = rows.filter(({ error }) => error);
  const pairs = scored.filter((row) => row.truth !== null);
  byId('file-result').hidden = false;
  showTiles({ scored, failed, pairs });
  drawHistogram(byId('histogram'), scored.map(({ score }) => score));
  byId('confusion-card').hidden = byId('largest-errors-card').hidden = !pairs.length;
  if (pairs.length) {
    drawConfusionMatrix(byId('confusion'), confusionMatrix(pairs));
    byId('largest-errors').replaceChildren(...largestErrors(pairs, MAX_LARGEST_ERRORS).map(errorItem));
  }
  showFailed(failed);
  showOrders();
  showTable(byId('table'), rows, { order: byId('order').value, truth });
}

export const redrawHistogram = (rows) =>
  drawHistogram(byId('histogram'), rows.flatMap(({ score }) => (score === undefined ? [] : [score])));

// Saves the rows of the file with five more columns.
export function save(rows, { name, header, escapeFormulas }) {
  const added = ({ score, interval, vocabulary_coverage: coverage, error }) =>
    score === undefined ? ['', '', '', '', error ? errorOf({ error }) : translate('unsent')] : [score, ...interval, coverage, ''];
  const width = Math.max(header?.length ?? 0, ...rows.map(({ cells }) => cells.length));
  const padded = (cells, fill) => Array.from({ length: width }, (_, at) => cells[at] ?? fill(at));
  const lines = [
    [...padded(header ?? [], (at) => `column_${at + 1}`), 'predicted_stars', 'interval_low', 'interval_high', 'vocabulary_coverage', 'error'],
    ...rows.map((row) => [...padded(row.cells, () => ''), ...added(row)]),
  ];
  const url = URL.createObjectURL(new Blob([write(lines, { escapeFormulas })], { type: 'text/csv;charset=utf-8' }));
  createHTML('a', { href: url, download: `${name.replace(/\.[^.]*$/, '')}-stars.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function showTiles({ scored, failed, pairs }) {
  const low = scored.filter(({ vocabulary_coverage: coverage }) => coverage < LOW_COVERAGE).length;
  const tiles = [
    ['tile_scored', formatNumber(scored.length)],
    ['tile_failed', formatNumber(failed.length)],
    ['tile_low_coverage', formatNumber(low)],
    ['tile_mean', scored.length ? formatStars(meanScore(scored)) : '–'],
  ];
  if (pairs.length) {
    const { rmse, mae, within } = errorMetrics(pairs);
    tiles.push(['tile_true', formatNumber(pairs.length)], ['tile_rmse', formatStars(rmse)], ['tile_mae', formatStars(mae)], ['tile_within', formatPercent(within)]);
  }
  byId('tiles').replaceChildren(...tiles.map(([word, value]) =>
    createHTML('div', { class: 'tile', id: word }, createHTML('b', {}, value), createHTML('span', {}, translate(word)))));
}

function showFailed(failed) {
  const items = failed.slice(0, MAX_FAILED).map((row) => createHTML('li', {},
    createHTML('b', {}, translate('row_number', { row: formatNumber(row.row) })), ' ', createHTML('span', { class: 'error' }, errorOf(row)), ' ',
    createHTML('span', { class: 'soft excerpt', lang: 'ja' }, row.text.slice(0, 60))));
  if (failed.length > MAX_FAILED) {
    items.push(createHTML('li', { class: 'soft' }, translate('failed_more', { count: formatNumber(failed.length - MAX_FAILED) })));
  }
  byId('failed-card').hidden = !failed.length;
  byId('failed').replaceChildren(...items);
}

function showOrders() {
  const select = byId('order');
  const chosen = select.value || ORDERS[0];
  select.replaceChildren(...ORDERS.map((order) => createHTML('option', { value: order }, translate(`order_${order}`))));
  select.value = chosen;
}

const errorItem = ({ row, truth, score, text }) => createHTML('li', {},
  createHTML('p', { class: 'error-head' }, createHTML('b', {}, translate('error_row', { truth, score: formatStars(score) })), ' ',
    createHTML('span', { class: 'soft small' }, translate('row_number', { row: formatNumber(row) }))),
  createHTML('p', { class: 'clamp', lang: 'ja' }, text.slice(0, 300)));
