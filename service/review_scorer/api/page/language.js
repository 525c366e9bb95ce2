// Language of the page: ?lang=, else the stored choice, else Japanese.

import { WORDS } from './words.js';

const LANGUAGES = ['ja', 'en'];
const STORAGE_KEY = 'language';
let language = 'ja';

export const translate = (word, values = {}) =>
  WORDS[word][LANGUAGES.indexOf(language)].replace(/\{(\w+)\}/g, (_, name) => values[name]);

export const hasWord = (word) => word in WORDS;

export const formatNumber = (number) => number.toLocaleString(language);

export const formatPercent = (share) => share.toLocaleString(language, { style: 'percent' });

// Texts with values are not translated by `setLanguage`; their modules listen for the change.
export const onLanguageChange = (listener) => document.addEventListener('language', listener);

export function startLanguage() {
  const buttons = document.querySelectorAll('[data-language]');
  for (const button of buttons) {
    button.addEventListener('click', () => {
      storeLanguage(button.dataset.language);
      setLanguage(button.dataset.language, buttons);
    });
  }
  const choices = [new URLSearchParams(location.search).get('lang'), storedLanguage()];
  setLanguage(choices.find((each) => LANGUAGES.includes(each)) ?? 'ja', buttons);
}

function setLanguage(chosen, buttons) {
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = translate('title');
  for (const button of buttons) button.setAttribute('aria-pressed', button.dataset.language === chosen);
  for (const element of document.querySelectorAll('[data-word]')) element.textContent = translate(element.dataset.word);
  for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', translate(element.dataset.label));
  for (const element of document.querySelectorAll('[data-placeholder]')) element.placeholder = translate(element.dataset.placeholder);
  document.dispatchEvent(new Event('language'));
}

function storeLanguage(chosen) {
  const url = new URL(location);
  if (url.searchParams.has('lang')) {
    url.searchParams.set('lang', chosen);
    history.replaceState(null, '', url);
  }
  try {
    localStorage.setItem(STORAGE_KEY, chosen);
  } catch {
    // The browser may block storage. The choice then lasts until the page is closed.
  }
}

function storedLanguage() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
