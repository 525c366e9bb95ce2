// Highlights words by their contribution, and sentences that conflict with the score. Offsets count code points.

const MIN_CONTRIBUTION = 0.04; // stars; smaller contributions are not shown
const SHADE_STEPS = [0.1, 0.25, 0.5]; // stars at which the next darker shade starts

// Returns the classes 'up s1' … 'down s4', or '' for a contribution that is not shown.
export function shadeOf(contribution) {
  const size = Math.abs(contribution);
  if (size < MIN_CONTRIBUTION) return '';
  return `${contribution > 0 ? 'up' : 'down'} s${1 + SHADE_STEPS.filter((step) => size >= step).length}`;
}

// Sentences whose own score is more than one star from that of the text, or more than half a star and on the other
// side of three stars.
export function conflictingSentences(sentences, score) {
  if (sentences.length < 2) return [];
  return sentences.filter(({ score: own }) => {
    const distance = Math.abs(own - score);
    return distance > 1 || (distance > 0.5 && (own - 3) * (score - 3) < 0);
  });
}

// Returns the marks of `before` that lie outside of the edit that made `after`, moved along with their words.
export function moveMarks(marks, before, after) {
  const [old, now] = [Array.from(before), Array.from(after)];
  const shorter = Math.min(old.length, now.length);
  let head = 0;
  while (head < shorter && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < shorter - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const shift = now.length - old.length;
  return marks.flatMap((mark) => {
    if (mark.end <= head) return [mark];
    if (mark.start < old.length - tail) return [];
    return [{ ...mark, start: mark.start + shift, end: mark.end + shift }];
  });
}

// Writes `text` into `mirror`, with a mark for each of `spans` and a frame around each of `sentences`.
export function renderMarks(mirror, text, spans, sentences) {
  const characters = Array.from(text);
  const slice = (start, end) => characters.slice(start, end).join('');
  const words = (start, end) => {
    const parts = [];
    let at = start;
    for (const span of spans) {
      if (span.start < at || span.end > end || !shadeOf(span.contribution)) continue;
      const mark = document.createElement('mark');
      mark.className = shadeOf(span.contribution);
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
    frame.className = 'conflicting';
    frame.append(...words(sentence.start, sentence.end));
    parts.push(...words(at, sentence.start), frame);
    at = sentence.end;
  }
  // A line break at the end of an element is not rendered, so one more is added.
  mirror.replaceChildren(...parts, ...words(at, characters.length), '\n');
}
