// Asking the service, with patience where it says that it is busy.

import { anotherKey, keyed } from './key.js';
import { has, say } from './language.js';

const LONGEST_WAIT = 30;

export class Refusal extends Error {
  constructor(status, { code, field, reason }) {
    super(reason);
    Object.assign(this, { status, code, field });
  }
}

// `tries` bounds how often a busy or unreachable service is asked; between them it waits as long as the service says,
// or longer and longer.
export async function post(path, body, { signal, tries = 6 }) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(path, body, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt === tries || !passing(error)) throw error;
      await pause(error.wait ?? 2 ** (attempt - 2), signal);
    }
  }
}

// What to show people for whatever `post` threw.
export function explain(error) {
  if (!(error instanceof Refusal)) return say('network');
  if (has(error.code)) return say(error.code);
  return passing(error) ? say('busy') : say('refused', { reason: error.message });
}

async function ask(path, body, signal) {
  const key = keyed();
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...key },
    body: JSON.stringify(body),
    signal,
  });
  if (answer.ok) return answer.json();
  if (answer.status === 401 && anotherKey(key)) return ask(path, body, signal);
  const refusal = new Refusal(answer.status, await reason(answer));
  const wait = Number(answer.headers.get('Retry-After') ?? NaN);
  if (wait >= 0) refusal.wait = Math.min(wait, LONGEST_WAIT);
  throw refusal;
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    // Whatever stands in front of the service may answer in its own way.
    return { code: '', field: null, reason: `${answer.status} ${answer.statusText}` };
  }
}

const passing = (error) => !(error instanceof Refusal) || [429, 502, 503, 504].includes(error.status);

function pause(seconds, signal) {
  // Pages that were refused together must not come back together.
  const milliseconds = seconds * 1000 * (1 + Math.random() / 4);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
