// Which column holds the text, which the true stars, and whether the first row names them.

const TEXT = ['texts', 'text', 'review_body', 'review', 'body', 'comment', 'レビュー', 'レビュー本文', '本文', '口コミ', 'クチコミ', 'コメント', '感想', '内容', '文章'];
const STARS = ['points', 'point', 'stars', 'star_rating', 'rating', 'score', '星', '星の数', '評価', '点数', '評点'];
const LONGEST_NAME = 30; // characters; a longer cell is a text
const LOOKED_AT = 200; // rows

const folded = (name) => name.normalize('NFKC').trim().toLowerCase();

const named = (header, names) =>
  names.map((name) => header.findIndex((cell) => folded(cell) === name)).find((at) => at >= 0) ?? -1;

export function hasHeader(rows) {
  const [first] = rows;
  if (named(first, TEXT) >= 0 || named(first, STARS) >= 0) return true;
  return rows.length > 1 && first.every((cell) => cell && cell.length <= LONGEST_NAME && starsOf(cell) === null);
}

// The column by its name, else the one with the longest cells.
export function textColumn(rows, header) {
  const found = header ? named(rows[0], TEXT) : -1;
  if (found >= 0) return found;
  const sizes = [];
  for (const row of rows.slice(header ? 1 : 0, LOOKED_AT)) {
    row.forEach((cell, at) => { sizes[at] = (sizes[at] ?? 0) + cell.length; });
  }
  return Math.max(0, sizes.indexOf(Math.max(...sizes)));
}

export const starsColumn = (rows, header) => (header ? named(rows[0], STARS) : -1);

// Stars from 1 to 5, also in full-width digits; null where there are none.
export function starsOf(cell = '') {
  const value = folded(cell);
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
  return number >= 1 && number <= 5 ? number : null;
}
