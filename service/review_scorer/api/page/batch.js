// Scores many texts in batches. A text that the service refuses is reported, and the rest of its batch sent again.

import { ApiError, post } from './api.js';

const BATCH_ROWS = 200; // few enough for a smooth progress bar
const BATCH_BYTES = 600_000; // of JSON; the service's default limit is 1 MiB

// The service's error for an empty text, without a request for each row.
const EMPTY = new ApiError(400, { code: 'text_empty', field: null, reason: '' });

const encoder = new TextEncoder();

// Calls `onResult(index, result)` for each text with its detailed score or {error}, and `onProgress` before each batch
// and at the end. Throws any other error.
export async function scoreAll(texts, { signal, onResult, onProgress }) {
  const queue = [];
  texts.forEach((text, index) => {
    if (text.trim()) queue.push({ text, index });
    else onResult(index, { error: EMPTY });
  });
  let maxRows = BATCH_ROWS;
  let start = 0;
  while (start < queue.length) {
    onProgress();
    const batch = nextBatch(queue, start, maxRows);
    try {
      const { results } = await post('api/1/scores', { texts: batch.map(({ text }) => text), detail: true }, { signal });
      batch.forEach(({ index }, position) => onResult(index, results[position]));
      start += batch.length;
    } catch (error) {
      signal.throwIfAborted();
      const refused = refusedPosition(error, batch.length);
      if (refused >= 0) {
        const [{ index }] = queue.splice(start + refused, 1);
        onResult(index, { error });
      } else if (error instanceof ApiError && error.status === 413) {
        maxRows = Math.ceil(batch.length / 2);
      } else {
        throw error;
      }
    }
  }
  onProgress();
}

// The position of the text in the batch that was refused, -1 if the error is not about one text.
function refusedPosition(error, size) {
  if (!(error instanceof ApiError) || ![400, 413].includes(error.status)) return -1;
  const position = Number(/^texts\[(\d+)\]$/.exec(error.field ?? '')?.[1] ?? -1);
  if (position >= 0 && position < size) return position;
  return size === 1 ? 0 : -1;
}

function nextBatch(queue, start, maxRows) {
  const batch = [];
  for (let at = start, size = 0; at < queue.length && batch.length < maxRows; at++) {
    size += encoder.encode(JSON.stringify(queue[at].text)).length + 1;
    if (batch.length && size > BATCH_BYTES) break;
    batch.push(queue[at]);
  }
  return batch;
}
