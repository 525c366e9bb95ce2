// Why a text has its stars: the sum, the weightiest words, the sentences that pull the other way.

import { find, make } from './dom.js';
import { say } from './language.js';
import { contrary, shade } from './marks.js';
import { signed, stars } from './stars.js';

const WORDS_SHOWN = 6;

export function showReasons({ score, reasons, text }, { select }) {
  const { base, rest, spans } = reasons;
  showSum({ base, rest, score, words: spans.reduce((sum, { contribution }) => sum + contribution, 0) });
  const seen = spans.filter(({ contribution }) => shade(contribution));
  const widest = Math.max(...seen.map(({ contribution }) => Math.abs(contribution)), 0.5);
  const weights = (sign) => seen
    .filter(({ contribution }) => contribution * sign > 0)
    .sort((a, b) => sign * (b.contribution - a.contribution))
    .slice(0, WORDS_SHOWN)
    .map((span) => weight(span, widest, select));
  find('raised').replaceChildren(...orNone(weights(1)));
  find('lowered').replaceChildren(...orNone(weights(-1)));
  const others = contrary(reasons.sentences, score);
  const characters = Array.from(text);
  find('contrary').hidden = !others.length;
  find('sentences').replaceChildren(...others.map(({ start, end, score: own }) =>
    make('li', {},
      make('q', { lang: 'ja' }, characters.slice(start, end).join('').trim()),
      make('span', { class: 'soft small' }, say('contrary_alone', { score: stars(own) })))));
}

function showSum({ base, words, rest, score }) {
  const sum = base + words + rest;
  const last = Math.abs(sum - score) < 0.005 ? say('total') : say('clipped', { sum: stars(sum) });
  const parts = [[stars(base), say('base')], [signed(words), say('words')]];
  if (Math.abs(rest) >= 0.005) parts.push([signed(rest), say('rest')]);
  parts.push([`= ${stars(score)}`, last]);
  find('sum').replaceChildren(...parts.map(([figure, name]) => make('li', {}, make('b', {}, figure), ' ', make('span', {}, name))));
}

function weight(span, widest, select) {
  const { surface, contribution } = span;
  const bar = make('i', { class: shade(contribution), 'aria-hidden': 'true' });
  bar.style.width = `${(100 * Math.abs(contribution)) / widest}%`;
  const label = say('show', { surface, stars: signed(contribution) });
  const button = make('button', { type: 'button', 'aria-label': label },
    make('span', { class: 'surface', lang: 'ja' }, surface),
    make('span', { class: 'rail', 'aria-hidden': 'true' }, bar),
    make('b', {}, signed(contribution)));
  button.addEventListener('click', () => select(span));
  return make('li', {}, button);
}

const orNone = (items) => (items.length ? items : [make('li', { class: 'soft' }, say('none'))]);
