// Histogram of the predicted stars and confusion matrix.

import { createHTML, createSVG } from './dom.js';
import { formatNumber, translate } from './language.js';

const BINS = 16; // a quarter of a star each
const HEIGHT = 226;
const [TOP, BOTTOM, SIDE] = [22, 26, 8];

export function drawHistogram(box, scores) {
  const width = Math.max(240, box.clientWidth);
  const bins = Array(BINS).fill(0);
  for (const score of scores) bins[Math.min(BINS - 1, Math.floor(((score - 1) / 4) * BINS))]++;
  const highest = Math.max(...bins, 1);
  const step = (width - 2 * SIDE) / BINS;
  const barHeight = (number) => (number / highest) * (HEIGHT - TOP - BOTTOM);
  const bars = bins.map((number, at) => {
    const [low, high] = [1 + at / 4, 1.25 + at / 4];
    return createSVG('rect', {
      x: SIDE + at * step + 1, y: HEIGHT - BOTTOM - barHeight(number), width: step - 2, height: barHeight(number), rx: 2,
      'data-count': number,
    }, createSVG('title', {}, translate('bin', { low, high, count: formatNumber(number) })));
  });
  const peak = bins.indexOf(highest);
  const ticks = [1, 2, 3, 4, 5].map((star) =>
    createSVG('text', { x: SIDE + (star - 1) * 4 * step, y: HEIGHT - 6, 'text-anchor': anchor(star) }, `★${star}`));
  const top = createSVG('text', { x: SIDE + (peak + 0.5) * step, y: HEIGHT - BOTTOM - barHeight(highest) - 6, 'text-anchor': peak === 0 ? 'start' : peak === BINS - 1 ? 'end' : 'middle' }, formatNumber(highest));
  const axis = createSVG('line', { x1: SIDE, x2: width - SIDE, y1: HEIGHT - BOTTOM + 0.5, y2: HEIGHT - BOTTOM + 0.5 });
  box.replaceChildren(createSVG('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`, class: 'histogram', role: 'img', 'aria-label': translate('histogram_label', countsByStar(scores)),
  }, ...bars, axis, ...ticks, top));
}

export function drawConfusionMatrix(box, counts) {
  const largest = Math.max(...counts.flat(), 1);
  const cell = (number, same) => {
    const data = createHTML('td', { class: same ? 'same' : null }, number ? formatNumber(number) : '·');
    data.style.setProperty('--share', Math.sqrt(number / largest).toFixed(3));
    return data;
  };
  const stars = [1, 2, 3, 4, 5];
  box.replaceChildren(createHTML('table', { class: 'confusion' },
    createHTML('thead', {},
      createHTML('tr', {}, createHTML('td', {}), createHTML('th', { colspan: 5, scope: 'colgroup' }, translate('confusion_predicted'))),
      createHTML('tr', {}, createHTML('th', { scope: 'col' }, translate('confusion_true')), ...stars.map((star) => createHTML('th', { scope: 'col' }, `★${star}`)))),
    createHTML('tbody', {}, ...counts.map((row, at) =>
      createHTML('tr', {}, createHTML('th', { scope: 'row' }, `★${at + 1}`), ...row.map((number, other) => cell(number, at === other)))))));
}

const anchor = (star) => ({ 1: 'start', 5: 'end' })[star] ?? 'middle';

function countsByStar(scores) {
  const counts = { 1: 0, 2: 0, 3: 0, 4: 0, 5: 0 };
  for (const score of scores) counts[Math.round(score)]++;
  return Object.fromEntries(Object.entries(counts).map(([star, number]) => [star, formatNumber(number)]));
}
