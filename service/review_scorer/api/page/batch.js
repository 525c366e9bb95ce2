// Many texts, sent in slices that the service takes; a text that it refuses is noted and the rest sent again.

import { post, Refusal } from './api.js';

const ROWS = 200; // a slice: often enough for the progress to move
const BYTES = 600_000; // of JSON; the service takes 1 MiB unless it was told otherwise

// What the service would say of it, without asking once a row.
const EMPTY = new Refusal(400, { code: 'text_empty', field: null, reason: '' });

const encoder = new TextEncoder();

// Calls `done(index, outcome)` for each text with what the service says of it, or with {error}. Raises what stops it.
export async function scoreAll(texts, { signal, done, moved }) {
  const queue = [];
  texts.forEach((text, index) => {
    if (text.trim()) queue.push({ text, index });
    else done(index, { error: EMPTY });
  });
  let most = ROWS;
  let at = 0;
  while (at < queue.length) {
    moved();
    const slice = cut(queue, at, most);
    try {
      const { results } = await post('api/1/scores', { texts: slice.map(({ text }) => text), detail: true }, { signal });
      slice.forEach(({ index }, position) => done(index, results[position]));
      at += slice.length;
    } catch (error) {
      signal.throwIfAborted();
      const refused = position(error, slice.length);
      if (refused >= 0) {
        const [{ index }] = queue.splice(at + refused, 1);
        done(index, { error });
      } else if (error instanceof Refusal && error.status === 413) {
        most = Math.ceil(slice.length / 2);
      } else {
        throw error;
      }
    }
  }
  moved();
}

// Which text of a slice was refused; -1 where it was none of them.
function position(error, size) {
  if (!(error instanceof Refusal) || ![400, 413].includes(error.status)) return -1;
  const at = Number(/^texts\[(\d+)\]$/.exec(error.field ?? '')?.[1] ?? -1);
  if (at >= 0 && at < size) return at;
  return size === 1 ? 0 : -1;
}

function cut(queue, from, most) {
  const slice = [];
  for (let at = from, size = 0; at < queue.length && slice.length < most; at++) {
    size += encoder.encode(JSON.stringify(queue[at].text)).length + 1;
    if (slice.length && size > BYTES) break;
    slice.push(queue[at]);
  }
  return slice;
}
