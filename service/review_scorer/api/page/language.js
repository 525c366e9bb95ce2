// Which language the page speaks: Japanese, unless ?lang= or an earlier choice says otherwise.

import { WORDS } from './words.js';

const LANGUAGES = ['ja', 'en'];
const MEMORY = 'language';
let language = 'ja';

export const say = (word, values = {}) =>
  WORDS[word][LANGUAGES.indexOf(language)].replace(/\{(\w+)\}/g, (_, name) => values[name]);

export const has = (word) => word in WORDS;

export const count = (number) => number.toLocaleString(language);

export const share = (part) => part.toLocaleString(language, { style: 'percent' });

// What was said with values must be said anew in the other language.
export const onLanguage = (listener) => document.addEventListener('language', listener);

export function startLanguage() {
  const switches = document.querySelectorAll('[data-language]');
  for (const button of switches) {
    button.addEventListener('click', () => {
      remember(button.dataset.language);
      speak(button.dataset.language, switches);
    });
  }
  const wanted = [new URLSearchParams(location.search).get('lang'), remembered()];
  speak(wanted.find((each) => LANGUAGES.includes(each)) ?? 'ja', switches);
}

function speak(chosen, switches) {
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = say('title');
  for (const button of switches) button.setAttribute('aria-pressed', button.dataset.language === chosen);
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = say(element.dataset.word);
  for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', say(element.dataset.label));
  for (const element of document.querySelectorAll('[data-placeholder]')) element.placeholder = say(element.dataset.placeholder);
  document.dispatchEvent(new Event('language'));
}

function remember(chosen) {
  const url = new URL(location);
  if (url.searchParams.has('lang')) {
    url.searchParams.set('lang', chosen);
    history.replaceState(null, '', url);
  }
  try {
    localStorage.setItem(MEMORY, chosen);
  } catch {
    // A browser may forbid it; then the choice holds until the page is left.
  }
}

function remembered() {
  try {
    return localStorage.getItem(MEMORY);
  } catch {
    return null;
  }
}
