// The first tab: a text, its stars, and the words that made them.

import { explain, post } from './api.js';
import { find, make, tell } from './dom.js';
import { EXAMPLES } from './examples.js';
import { count, onLanguage, say, share } from './language.js';
import { carried, contrary, paint } from './marks.js';
import { showReasons } from './reasons.js';
import { drawScale, drawStars, fillStars, outward, signed, stars } from './stars.js';

const PAUSE = 250; // ms without a keystroke before the service is asked
const LITTLE_KNOWN = 0.6; // below this share of known words the score is warned of

export function startScore() {
  const box = find('text');
  const mirror = find('mirror');
  let lit = { text: '', spans: [], sentences: [] };
  let shown = null; // what the service said last, or null
  let failure = null; // or what kept it from saying anything
  let timer = 0;
  let flight = new AbortController();

  const light = (text, spans, sentences) => {
    lit = { text, spans, sentences };
    paint(mirror, text, spans, sentences);
  };

  const ask = async () => {
    const texts = box.value;
    const { signal } = (flight = new AbortController());
    try {
      const [reasons, detail] = await Promise.all([
        post('api/1/explain', { texts }, { signal }),
        post('api/1/scores', { texts, detail: true }, { signal }),
      ]);
      signal.throwIfAborted();
      shown = { ...detail, reasons, text: texts };
      light(texts, reasons.spans, contrary(reasons.sentences, detail.score));
      show(shown);
    } catch (error) {
      if (signal.aborted) return;
      failure = error;
      show(null, explain(error));
    }
    find('result').removeAttribute('aria-busy');
  };

  const changed = (event) => {
    clearTimeout(timer);
    flight.abort();
    failure = null;
    const text = box.value;
    light(text, carried(lit.spans, lit.text, text), carried(lit.sentences, lit.text, text));
    showCount(text);
    if (!text.trim()) {
      shown = null;
      find('result').removeAttribute('aria-busy');
      show(null);
      return;
    }
    find('result').setAttribute('aria-busy', 'true');
    // Half-converted kana of an input method say nothing yet.
    if (!event?.isComposing) timer = setTimeout(ask, PAUSE);
  };

  drawStars(find('stars'));
  box.addEventListener('input', changed);
  box.addEventListener('compositionend', changed);
  box.addEventListener('pointermove', (event) => point(box, event));
  onLanguage(() => {
    showExamples((text) => { box.value = text; changed(); });
    showCount(box.value);
    show(failure ? null : shown, failure ? explain(failure) : '');
  });
  // A browser may bring back what was written before a reload.
  if (box.value) changed();
}

// The textarea lies over the marks, so it speaks for the one under the pointer.
function point(box, event) {
  const mark = document.elementsFromPoint(event.clientX, event.clientY).find((each) => each.matches('#mirror mark'));
  box.title = mark ? say('weight', { surface: mark.textContent, stars: `${signed(+mark.dataset.contribution)} ★` }) : '';
}

function showExamples(use) {
  const language = document.documentElement.lang === 'ja' ? 0 : 1;
  find('examples').replaceChildren(...EXAMPLES.map(({ name, text }) => {
    const button = make('button', { type: 'button' }, name[language]);
    button.addEventListener('click', () => use(text));
    return button;
  }));
}

function showCount(text) {
  find('count').textContent = text ? say('count', { count: count(Array.from(text).length) }) : '';
}

function show(answer, trouble = '') {
  fillStars(find('stars'), answer?.score ?? 0);
  for (const id of ['figure', 'sure', 'reasons']) find(id).hidden = !answer;
  find('empty').hidden = Boolean(answer || trouble);
  tell(find('trouble'), trouble);
  tell(find('warning'), answer && answer.vocabulary_coverage < LITTLE_KNOWN ? say('known_low', { known: share(answer.vocabulary_coverage) }) : '');
  find('said').textContent = trouble;
  if (!answer) return;
  const [low, high] = answer.interval;
  const values = { score: stars(answer.score), ...outward(low, high) };
  find('score').textContent = values.score;
  drawScale(find('interval'), answer.score, answer.interval);
  find('interval-words').textContent = say('interval', values);
  find('known').textContent = share(answer.vocabulary_coverage);
  find('known-bar').style.width = `${answer.vocabulary_coverage * 100}%`;
  find('said').textContent = [say('said', values), find('warning').textContent].join(' ');
  find('curl').textContent = curl(answer.text);
  showReasons(answer, { select });
}

// The command line that asks for the same, quoted for a shell.
function curl(text) {
  const body = JSON.stringify({ texts: text, detail: true }).replaceAll("'", "'\\''");
  return `curl -d '${body}' ${new URL('api/1/scores', document.baseURI)}`;
}

// Selects a stretch of the text, given in code points.
function select({ start, end }) {
  const box = find('text');
  const characters = Array.from(box.value);
  const units = (to) => characters.slice(0, to).join('').length;
  box.focus();
  box.setSelectionRange(units(start), units(end));
}
