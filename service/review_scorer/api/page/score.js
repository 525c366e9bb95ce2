// First tab: scores and explains the text while it is typed.

import { errorMessage, post } from './api.js';
import { byId, createHTML, showMessage } from './dom.js';
import { EXAMPLES } from './examples.js';
import { formatNumber, formatPercent, onLanguageChange, translate } from './language.js';
import { conflictingSentences, moveMarks, renderMarks } from './marks.js';
import { showReasons } from './reasons.js';
import { drawScale, drawStars, fillStars, formatContribution, formatInterval, formatStars } from './stars.js';

const DEBOUNCE = 250; // ms without a keystroke before a request
const LOW_COVERAGE = 0.6; // vocabulary coverage below which a warning is shown

export function startScore() {
  const box = byId('text');
  const mirror = byId('mirror');
  let marks = { text: '', spans: [], sentences: [] };
  let lastResult = null;
  let lastError = null;
  let timer = 0;
  let controller = new AbortController();

  const setMarks = (text, spans, sentences) => {
    marks = { text, spans, sentences };
    renderMarks(mirror, text, spans, sentences);
  };

  const score = async () => {
    const texts = box.value;
    const { signal } = (controller = new AbortController());
    try {
      const [explanation, detail] = await Promise.all([
        post('api/1/explain', { texts }, { signal }),
        post('api/1/scores', { texts, detail: true }, { signal }),
      ]);
      signal.throwIfAborted();
      lastResult = { ...detail, explanation, text: texts };
      setMarks(texts, explanation.spans, conflictingSentences(explanation.sentences, detail.score));
      showResult(lastResult);
    } catch (error) {
      if (signal.aborted) return;
      lastError = error;
      showResult(null, errorMessage(error));
    }
    byId('result').removeAttribute('aria-busy');
  };

  const onInput = (event) => {
    clearTimeout(timer);
    controller.abort();
    lastError = null;
    const text = box.value;
    setMarks(text, moveMarks(marks.spans, marks.text, text), moveMarks(marks.sentences, marks.text, text));
    showCount(text);
    if (!text.trim()) {
      lastResult = null;
      byId('result').removeAttribute('aria-busy');
      showResult(null);
      return;
    }
    byId('result').setAttribute('aria-busy', 'true');
    // The kana that an input method has not yet converted are not scored.
    if (!event?.isComposing) timer = setTimeout(score, DEBOUNCE);
  };

  drawStars(byId('stars'));
  box.addEventListener('input', onInput);
  box.addEventListener('compositionend', onInput);
  box.addEventListener('pointermove', (event) => showTooltip(box, event));
  onLanguageChange(() => {
    showExamples((text) => { box.value = text; onInput(); });
    showCount(box.value);
    showResult(lastError ? null : lastResult, lastError ? errorMessage(lastError) : '');
  });
  // A browser may restore the text after a reload.
  if (box.value) onInput();
}

// The textarea covers the marks, so it shows the tooltip of the mark under the pointer.
function showTooltip(box, event) {
  const mark = document.elementsFromPoint(event.clientX, event.clientY).find((each) => each.matches('#mirror mark'));
  box.title = mark ? translate('contribution', { surface: mark.textContent, stars: `${formatContribution(+mark.dataset.contribution)} ★` }) : '';
}

function showExamples(use) {
  const language = document.documentElement.lang === 'ja' ? 0 : 1;
  byId('examples').replaceChildren(...EXAMPLES.map(({ name, text }) => {
    const button = createHTML('button', { type: 'button' }, name[language]);
    button.addEventListener('click', () => use(text));
    return button;
  }));
}

function showCount(text) {
  byId('count').textContent = text ? translate('count', { count: formatNumber(Array.from(text).length) }) : '';
}

function showResult(result, error = '') {
  fillStars(byId('stars'), result?.score ?? 0);
  for (const id of ['figure', 'confidence', 'reasons']) byId(id).hidden = !result;
  byId('empty').hidden = Boolean(result || error);
  showMessage(byId('error'), error);
  showMessage(byId('warning'), result && result.vocabulary_coverage < LOW_COVERAGE ? translate('low_coverage', { coverage: formatPercent(result.vocabulary_coverage) }) : '');
  byId('announcement').textContent = error;
  if (!result) return;
  const [low, high] = result.interval;
  const values = { score: formatStars(result.score), ...formatInterval(low, high) };
  byId('score').textContent = values.score;
  drawScale(byId('interval'), result.score, result.interval);
  byId('interval-text').textContent = translate('interval', values);
  byId('coverage').textContent = formatPercent(result.vocabulary_coverage);
  byId('coverage-bar').style.width = `${result.vocabulary_coverage * 100}%`;
  byId('announcement').textContent = [translate('announcement', values), byId('warning').textContent].join(' ');
  byId('curl').textContent = curlCommand(result.text);
  showReasons(result, { select });
}

// The curl command that sends the same request, quoted for a shell.
function curlCommand(text) {
  const body = JSON.stringify({ texts: text, detail: true }).replaceAll("'", "'\\''");
  return `curl -d '${body}' ${new URL('api/1/scores', document.baseURI)}`;
}

// Selects a part of the text. Offsets are in code points, those of the textarea in UTF-16 code units.
function select({ start, end }) {
  const box = byId('text');
  const characters = Array.from(box.value);
  const codeUnits = (offset) => characters.slice(0, offset).join('').length;
  box.focus();
  box.setSelectionRange(codeUnits(start), codeUnits(end));
}
