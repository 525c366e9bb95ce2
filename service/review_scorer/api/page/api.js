// Requests to the API, repeated while the service is busy or unreachable.

import { authorization, promptForKey } from './key.js';
import { hasWord, translate } from './language.js';

const MAX_WAIT = 30; // seconds

export class ApiError extends Error {
  constructor(status, { code, field, reason }) {
    super(reason);
    Object.assign(this, { status, code, field });
  }
}

// Returns the JSON of the answer. Between attempts it waits for Retry-After, or with exponential backoff.
export async function post(path, body, { signal, attempts = 6 }) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await postOnce(path, body, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt === attempts || !isTransient(error)) throw error;
      await sleep(error.retryAfter ?? 2 ** (attempt - 2), signal);
    }
  }
}

// The message for an error that `post` threw, in the language of the page.
export function errorMessage(error) {
  if (!(error instanceof ApiError)) return translate('network');
  if (hasWord(error.code)) return translate(error.code);
  return isTransient(error) ? translate('busy') : translate('refused', { reason: error.message });
}

async function postOnce(path, body, signal) {
  const headers = authorization();
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal,
  });
  if (response.ok) return response.json();
  if (response.status === 401 && promptForKey(headers)) return postOnce(path, body, signal);
  const error = new ApiError(response.status, await errorDetail(response));
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN);
  if (retryAfter >= 0) error.retryAfter = Math.min(retryAfter, MAX_WAIT);
  throw error;
}

async function errorDetail(response) {
  try {
    return (await response.json()).error;
  } catch {
    // The answer of a proxy, for example, is not JSON.
    return { code: '', field: null, reason: `${response.status} ${response.statusText}` };
  }
}

const isTransient = (error) => !(error instanceof ApiError) || [429, 502, 503, 504].includes(error.status);

function sleep(seconds, signal) {
  // Random jitter, so that pages that were refused together do not retry together.
  const milliseconds = seconds * 1000 * (1 + Math.random() / 4);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
