// The API key, where the service wants one: asked for when it does, and kept as long as this tab.

import { say } from './language.js';

const MEMORY = 'key';
let declined = false;

export const keyed = () => {
  const key = sessionStorage.getItem(MEMORY);
  return key ? { Authorization: `Bearer ${key}` } : {};
};

// Whether there is another key than the one in the headers `tried`; several requests may have been refused at once.
export function anotherKey(tried) {
  if (keyed().Authorization !== tried.Authorization) return true;
  if (declined) return false;
  // Only visible ASCII can stand in a header.
  const given = prompt(say('key'))?.replace(/[^\x21-\x7e]/g, '');
  if (given) sessionStorage.setItem(MEMORY, given);
  else declined = true;
  return Boolean(given);
}
