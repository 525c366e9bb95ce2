// The histogram and the confusion table.

import { draw, make } from './dom.js';
import { count, say } from './language.js';

const BINS = 16; // quarters of a star
const HEIGHT = 226;
const [TOP, BOTTOM, SIDE] = [22, 26, 8];

export function drawHistogram(box, scores) {
  const width = Math.max(240, box.clientWidth);
  const bins = Array(BINS).fill(0);
  for (const score of scores) bins[Math.min(BINS - 1, Math.floor(((score - 1) / 4) * BINS))]++;
  const highest = Math.max(...bins, 1);
  const step = (width - 2 * SIDE) / BINS;
  const tall = (number) => (number / highest) * (HEIGHT - TOP - BOTTOM);
  const bars = bins.map((number, at) => {
    const [low, high] = [1 + at / 4, 1.25 + at / 4];
    return draw('rect', {
      x: SIDE + at * step + 1, y: HEIGHT - BOTTOM - tall(number), width: step - 2, height: tall(number), rx: 2,
      'data-count': number,
    }, draw('title', {}, say('bin', { low, high, count: count(number) })));
  });
  const peak = bins.indexOf(highest);
  const ticks = [1, 2, 3, 4, 5].map((star) =>
    draw('text', { x: SIDE + (star - 1) * 4 * step, y: HEIGHT - 6, 'text-anchor': anchor(star) }, `★${star}`));
  const top = draw('text', { x: SIDE + (peak + 0.5) * step, y: HEIGHT - BOTTOM - tall(highest) - 6, 'text-anchor': peak === 0 ? 'start' : peak === BINS - 1 ? 'end' : 'middle' }, count(highest));
  const axis = draw('line', { x1: SIDE, x2: width - SIDE, y1: HEIGHT - BOTTOM + 0.5, y2: HEIGHT - BOTTOM + 0.5 });
  box.replaceChildren(draw('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`, class: 'histogram', role: 'img', 'aria-label': say('histogram_words', rounded(scores)),
  }, ...bars, axis, ...ticks, top));
}

export function drawConfusion(box, counts) {
  const most = Math.max(...counts.flat(), 1);
  const cell = (number, same) => {
    const data = make('td', { class: same ? 'same' : null }, number ? count(number) : '·');
    data.style.setProperty('--share', Math.sqrt(number / most).toFixed(3));
    return data;
  };
  const stars = [1, 2, 3, 4, 5];
  box.replaceChildren(make('table', { class: 'confusion' },
    make('thead', {},
      make('tr', {}, make('td', {}), make('th', { colspan: 5, scope: 'colgroup' }, say('confusion_predicted'))),
      make('tr', {}, make('th', { scope: 'col' }, say('confusion_true')), ...stars.map((star) => make('th', { scope: 'col' }, `★${star}`)))),
    make('tbody', {}, ...counts.map((row, at) =>
      make('tr', {}, make('th', { scope: 'row' }, `★${at + 1}`), ...row.map((number, other) => cell(number, at === other)))))));
}

const anchor = (star) => ({ 1: 'start', 5: 'end' })[star] ?? 'middle';

function rounded(scores) {
  const counts = { 1: 0, 2: 0, 3: 0, 4: 0, 5: 0 };
  for (const score of scores) counts[Math.round(score)]++;
  return Object.fromEntries(Object.entries(counts).map(([star, number]) => [star, count(number)]));
}
