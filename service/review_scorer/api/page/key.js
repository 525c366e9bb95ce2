// API key: the user is prompted for it when the service requires one. It is kept until the tab is closed.

import { translate } from './language.js';

const STORAGE_KEY = 'key';
let declined = false;

export const authorization = () => {
  const key = sessionStorage.getItem(STORAGE_KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
};

// Returns whether there is now another key than in the refused `headers`. Of several requests refused together, only
// the first shows the prompt.
export function promptForKey(headers) {
  if (authorization().Authorization !== headers.Authorization) return true;
  if (declined) return false;
  // A header takes only visible ASCII characters.
  const key = prompt(translate('key'))?.replace(/[^\x21-\x7e]/g, '');
  if (key) sessionStorage.setItem(STORAGE_KEY, key);
  else declined = true;
  return Boolean(key);
}
