// Draws five stars filled to a score, and a scale with an interval. Formats stars as text.

import { createHTML, createSVG } from './dom.js';

const SHAPE = 'M12 1.8l3.1 6.4 7 1-5.1 4.9 1.2 7-6.2-3.3-6.2 3.3 1.2-7L1.9 9.2l7-1z';

export const formatStars = (number) => number.toFixed(2);

export const formatContribution = (number) => (number < 0 ? '−' : '+') + Math.abs(number).toFixed(2);

// The ends of an interval with one decimal, rounded outwards.
export const formatInterval = (low, high) => ({
  low: (Math.floor(low * 10) / 10).toFixed(1),
  high: (Math.ceil(high * 10) / 10).toFixed(1),
});

export function drawStars(box) {
  const row = (name) => createSVG('svg', { viewBox: '0 0 120 24', class: name },
    ...[0, 1, 2, 3, 4].map((at) => createSVG('path', { d: SHAPE, transform: `translate(${24 * at} 0)` })));
  box.replaceChildren(row('rim'), createHTML('span', { class: 'fill' }, row('gold')));
}

export function fillStars(box, score) {
  box.querySelector('.fill').style.width = `${score * 20}%`;
}

export function drawScale(box, score, [low, high]) {
  const x = (value) => 10 + (value - 1) * 70;
  box.replaceChildren(createSVG('svg', { viewBox: '0 0 300 44', class: 'scale', 'aria-hidden': 'true' },
    createSVG('line', { x1: 10, x2: 290, y1: 14, y2: 14, class: 'track' }),
    createSVG('line', { x1: x(low), x2: x(high), y1: 14, y2: 14, class: 'span' }),
    createSVG('circle', { cx: x(score), cy: 14, r: 7, class: 'dot' }),
    ...[1, 2, 3, 4, 5].map((value) => createSVG('text', { x: x(value), y: 38, 'text-anchor': 'middle' }, `${value}`))));
}
