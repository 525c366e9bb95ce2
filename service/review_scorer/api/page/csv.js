// Reads and writes CSV and TSV (RFC 4180, with the variations of common programs).

// `word` is the key of the message in words.js, `values` are its placeholders.
export class FileError extends Error {
  constructor(word, values = {}) {
    super(word);
    Object.assign(this, { word, values });
  }
}

// Returns the text of a file and its encoding. Shift_JIS means Windows' cp932, as in the Encoding Standard.
export function decode(bytes) {
  const [first, second] = bytes;
  const utf16 = { 0xfffe: 'utf-16le', 0xfeff: 'utf-16be' }[first * 256 + second];
  for (const encoding of utf16 ? [utf16] : ['utf-8', 'shift_jis']) {
    try {
      return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding };
    } catch {
      // Try the next encoding.
    }
  }
  throw new FileError('file_encoding');
}

// Returns the rows as arrays of cells. The separator is a tab or a comma, whichever the first line has more of.
export function parse(text) {
  const first = text.slice(0, /\r|\n|$/.exec(text).index);
  const separator = first.split('\t').length > first.split(',').length ? '\t' : ',';
  const unquoted = separator === '\t' ? /[^\t\r\n]*/y : /[^,\r\n]*/y;
  const rows = [];
  let row = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1);
      if (end < 0) throw new FileError('file_quote', { line: lineNumber(text, at) });
      cell = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    }
    unquoted.lastIndex = at;
    cell += unquoted.exec(text)[0];
    at = unquoted.lastIndex;
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

// `escapeFormulas` puts a ' before cells that a spreadsheet would run as formulas. Numbers such as -1.5 are kept.
// Japanese Excel also accepts the full-width signs.
export function write(rows, { escapeFormulas }) {
  const lines = rows.map((row) => row.map((cell) => quote(escapeFormulas ? escapeFormula(String(cell)) : String(cell))).join(','));
  // Excel reads a file as UTF-8 only with a byte-order mark.
  return `\ufeff${lines.join('\r\n')}\r\n`;
}

const escapeFormula = (cell) =>
  /^[=+\-@\t\r\n＝＋－＠]/.test(cell) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? `'${cell}` : cell;

const quote = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

function closingQuote(text, from) {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}

const lineNumber = (text, at) => text.slice(0, at).split(/\r\n|\r|\n/).length;
