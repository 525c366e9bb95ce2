// Five stars, filled to a fraction, and a scale with an interval on it.

import { draw, make } from './dom.js';

const SHAPE = 'M12 1.8l3.1 6.4 7 1-5.1 4.9 1.2 7-6.2-3.3-6.2 3.3 1.2-7L1.9 9.2l7-1z';

export const stars = (number) => number.toFixed(2);

export const signed = (number) => (number < 0 ? '−' : '+') + Math.abs(number).toFixed(2);

// The ends of an interval to the tenth, rounded so that none of it is lost.
export const outward = (low, high) => ({
  low: (Math.floor(low * 10) / 10).toFixed(1),
  high: (Math.ceil(high * 10) / 10).toFixed(1),
});

export function drawStars(box) {
  const row = (name) => draw('svg', { viewBox: '0 0 120 24', class: name },
    ...[0, 1, 2, 3, 4].map((at) => draw('path', { d: SHAPE, transform: `translate(${24 * at} 0)` })));
  box.replaceChildren(row('rim'), make('span', { class: 'fill' }, row('gold')));
}

export function fillStars(box, score) {
  box.querySelector('.fill').style.width = `${score * 20}%`;
}

export function drawScale(box, score, [low, high]) {
  const x = (value) => 10 + (value - 1) * 70;
  box.replaceChildren(draw('svg', { viewBox: '0 0 300 44', class: 'scale', 'aria-hidden': 'true' },
    draw('line', { x1: 10, x2: 290, y1: 14, y2: 14, class: 'track' }),
    draw('line', { x1: x(low), x2: x(high), y1: 14, y2: 14, class: 'span' }),
    draw('circle', { cx: x(score), cy: 14, r: 7, class: 'dot' }),
    ...[1, 2, 3, 4, 5].map((value) => draw('text', { x: x(value), y: 38, 'text-anchor': 'middle' }, `${value}`))));
}
