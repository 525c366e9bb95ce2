// Detects the header, the text column and the stars column of a table.

const TEXT_NAMES = ['texts', 'text', 'review_body', 'review', 'body', 'comment', 'レビュー', 'レビュー本文', '本文', '口コミ', 'クチコミ', 'コメント', '感想', '内容', '文章'];
const STARS_NAMES = ['points', 'point', 'stars', 'star_rating', 'rating', 'score', '星', '星の数', '評価', '点数', '評点'];
const MAX_NAME_LENGTH = 30; // characters; a longer cell is not a column name
const SAMPLE_ROWS = 200;

const normalize = (name) => name.normalize('NFKC').trim().toLowerCase();

const columnNamed = (header, names) =>
  names.map((name) => header.findIndex((cell) => normalize(cell) === name)).find((at) => at >= 0) ?? -1;

export function hasHeader(rows) {
  const [first] = rows;
  if (columnNamed(first, TEXT_NAMES) >= 0 || columnNamed(first, STARS_NAMES) >= 0) return true;
  return rows.length > 1 && first.every((cell) => cell && cell.length <= MAX_NAME_LENGTH && parseStars(cell) === null);
}

// The column with a usual name, else the one with the longest cells.
export function textColumn(rows, header) {
  const found = header ? columnNamed(rows[0], TEXT_NAMES) : -1;
  if (found >= 0) return found;
  const sizes = [];
  for (const row of rows.slice(header ? 1 : 0, SAMPLE_ROWS)) {
    row.forEach((cell, at) => { sizes[at] = (sizes[at] ?? 0) + cell.length; });
  }
  return Math.max(0, sizes.indexOf(Math.max(...sizes)));
}

export const starsColumn = (rows, header) => (header ? columnNamed(rows[0], STARS_NAMES) : -1);

// Stars from 1 to 5, also in full-width digits; null for any other cell.
export function parseStars(cell = '') {
  const value = normalize(cell);
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
  return number >= 1 && number <= 5 ? number : null;
}
