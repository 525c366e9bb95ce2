// Explanation of a score: the sum of its parts, the words with the largest contributions, the conflicting sentences.

import { byId, createHTML } from './dom.js';
import { translate } from './language.js';
import { conflictingSentences, shadeOf } from './marks.js';
import { formatContribution, formatStars } from './stars.js';

const MAX_WORDS = 6;

export function showReasons({ score, explanation, text }, { select }) {
  const { base, rest, spans } = explanation;
  showSum({ base, rest, score, words: spans.reduce((sum, { contribution }) => sum + contribution, 0) });
  const visible = spans.filter(({ contribution }) => shadeOf(contribution));
  const largest = Math.max(...visible.map(({ contribution }) => Math.abs(contribution)), 0.5);
  const items = (sign) => visible
    .filter(({ contribution }) => contribution * sign > 0)
    .sort((a, b) => sign * (b.contribution - a.contribution))
    .slice(0, MAX_WORDS)
    .map((span) => wordItem(span, largest, select));
  byId('raised').replaceChildren(...orNone(items(1)));
  byId('lowered').replaceChildren(...orNone(items(-1)));
  const conflicting = conflictingSentences(explanation.sentences, score);
  const characters = Array.from(text);
  byId('conflicting').hidden = !conflicting.length;
  byId('sentences').replaceChildren(...conflicting.map(({ start, end, score: own }) =>
    createHTML('li', {},
      createHTML('q', { lang: 'ja' }, characters.slice(start, end).join('').trim()),
      createHTML('span', { class: 'soft small' }, translate('sentence_score', { score: formatStars(own) })))));
}

function showSum({ base, words, rest, score }) {
  const sum = base + words + rest;
  const total = Math.abs(sum - score) < 0.005 ? translate('total') : translate('clipped', { sum: formatStars(sum) });
  const parts = [[formatStars(base), translate('base')], [formatContribution(words), translate('words')]];
  if (Math.abs(rest) >= 0.005) parts.push([formatContribution(rest), translate('rest')]);
  parts.push([`= ${formatStars(score)}`, total]);
  byId('sum').replaceChildren(...parts.map(([value, name]) =>
    createHTML('li', {}, createHTML('b', {}, value), ' ', createHTML('span', {}, name))));
}

function wordItem(span, largest, select) {
  const { surface, contribution } = span;
  const bar = createHTML('i', { class: shadeOf(contribution), 'aria-hidden': 'true' });
  bar.style.width = `${(100 * Math.abs(contribution)) / largest}%`;
  const label = translate('select_word', { surface, stars: formatContribution(contribution) });
  const button = createHTML('button', { type: 'button', 'aria-label': label },
    createHTML('span', { class: 'surface', lang: 'ja' }, surface),
    createHTML('span', { class: 'rail', 'aria-hidden': 'true' }, bar),
    createHTML('b', {}, formatContribution(contribution)));
  button.addEventListener('click', () => select(span));
  return createHTML('li', {}, button);
}

const orNone = (items) => (items.length ? items : [createHTML('li', { class: 'soft' }, translate('none'))]);
