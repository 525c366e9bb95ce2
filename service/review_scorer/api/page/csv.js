// CSV and TSV, read and written (RFC 4180, and what people make of it).

export class Unreadable extends Error {
  constructor(word, values = {}) {
    super(word);
    Object.assign(this, { word, values });
  }
}

// The text of a file and what it was written in. Shift_JIS here is Windows' cp932, as the Encoding Standard has it.
export function decode(bytes) {
  const [first, second] = bytes;
  const utf16 = { 0xfffe: 'utf-16le', 0xfeff: 'utf-16be' }[first * 256 + second];
  for (const encoding of utf16 ? [utf16] : ['utf-8', 'shift_jis']) {
    try {
      return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding };
    } catch {
      // Then it is the next one, or none.
    }
  }
  throw new Unreadable('file_encoding');
}

// The rows, each a list of cells; the separator is what the first line has more of, a tab or a comma.
export function parse(text) {
  const first = text.slice(0, /\r|\n|$/.exec(text).index);
  const separator = first.split('\t').length > first.split(',').length ? '\t' : ',';
  const plain = separator === '\t' ? /[^\t\r\n]*/y : /[^,\r\n]*/y;
  const rows = [];
  let row = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      const end = closing(text, at + 1);
      if (end < 0) throw new Unreadable('file_quote', { line: lineOf(text, at) });
      cell = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    }
    plain.lastIndex = at;
    cell += plain.exec(text)[0];
    at = plain.lastIndex;
    row.push(cell);
    if (text[at] === separator) {
      at++;
      if (at < text.length) continue;
      row.push('');
    }
    rows.push(row);
    row = [];
    at += text.startsWith('\r\n', at) ? 2 : 1;
  }
  return rows;
}

// `safe` puts a ' before cells that a spreadsheet would run as formulas. Numbers such as -1.5 are none and stay. In
// Japanese, Excel takes the full-width signs too. Where programs read the file, leave it off: the cells stay as they were.
export function write(rows, { safe }) {
  const lines = rows.map((row) => row.map((cell) => quoted(safe ? harmless(String(cell)) : String(cell))).join(','));
  // Excel takes a file for UTF-8 only with the mark at its head.
  return `\ufeff${lines.join('\r\n')}\r\n`;
}

const harmless = (cell) =>
  /^[=+\-@\t\r\n＝＋－＠]/.test(cell) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? `'${cell}` : cell;

const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function closing(text, from) {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}

const lineOf = (text, at) => text.slice(0, at).split(/\r\n|\r|\n/).length;
