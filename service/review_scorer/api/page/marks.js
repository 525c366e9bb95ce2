// Which characters of a text to light up, and how much. Offsets count code points, as the service does.

const FAINTEST = 0.04; // stars; less is noise
const STRONGER = [0.1, 0.25, 0.5]; // stars from which the next shade begins

// 'up s1' … 'down s4', or '' where nothing is to be seen.
export function shade(contribution) {
  const size = Math.abs(contribution);
  if (size < FAINTEST) return '';
  return `${contribution > 0 ? 'up' : 'down'} s${1 + STRONGER.filter((edge) => size >= edge).length}`;
}

// Sentences more than a star away from the whole, or half a star and on the other side of three.
export function contrary(sentences, score) {
  if (sentences.length < 2) return [];
  return sentences.filter(({ score: own }) => {
    const apart = Math.abs(own - score);
    return apart > 1 || (apart > 0.5 && (own - 3) * (score - 3) < 0);
  });
}

// What still holds of `marks` after `before` was edited into `after`: all outside of the edit, moved along with it.
export function carried(marks, before, after) {
  const [old, now] = [Array.from(before), Array.from(after)];
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const moved = now.length - old.length;
  return marks.flatMap((mark) => {
    if (mark.end <= head) return [mark];
    if (mark.start < old.length - tail) return [];
    return [{ ...mark, start: mark.start + moved, end: mark.end + moved }];
  });
}

// Writes `text` into `mirror` with its marks; `sentences` are drawn around the words.
export function paint(mirror, text, spans, sentences) {
  const characters = Array.from(text);
  const slice = (start, end) => characters.slice(start, end).join('');
  const words = (start, end) => {
    const parts = [];
    let at = start;
    for (const span of spans) {
      if (span.start < at || span.end > end || !shade(span.contribution)) continue;
      const mark = document.createElement('mark');
      mark.className = shade(span.contribution);
      mark.textContent = slice(span.start, span.end);
      mark.dataset.contribution = span.contribution;
      parts.push(slice(at, span.start), mark);
      at = span.end;
    }
    return [...parts, slice(at, end)];
  };
  const parts = [];
  let at = 0;
  for (const sentence of sentences) {
    const frame = document.createElement('span');
    frame.className = 'contrary';
    frame.append(...words(sentence.start, sentence.end));
    parts.push(...words(at, sentence.start), frame);
    at = sentence.end;
  }
  // The last line break of an element makes no line.
  mirror.replaceChildren(...parts, ...words(at, characters.length), '\n');
}
