// The second tab: a file is chosen, its columns are found, its rows are sent, its results shown.

import { explain } from './api.js';
import { scoreAll } from './batch.js';
import { hasHeader, starsColumn, starsOf, textColumn } from './columns.js';
import { decode, parse, Unreadable } from './csv.js';
import { find, make, tell } from './dom.js';
import { count, onLanguage, say, share } from './language.js';
import { redrawHistogram, save, showResults } from './results.js';
import { showTable } from './table.js';

const LARGEST = 50; // MB; more is not for a browser
const NAMES = { 'utf-8': 'UTF-8', shift_jis: 'Shift_JIS' };

let file = null; // {name, encoding, rows}: what was read
let work = null; // {rows, done, truth}: what is scored, or was
let flight = null; // an AbortController while rows are being sent
let trouble = null; // why the file could not be read: a word and its values
let ending = null; // how the sending ended: likewise

export function startFile() {
  acceptFiles();
  for (const id of ['header', 'text-column', 'stars-column']) find(id).addEventListener('change', () => columnsChanged(id));
  find('start').addEventListener('click', run);
  find('stop').addEventListener('click', () => flight?.abort());
  find('order').addEventListener('change', () => showTable(find('table'), work.rows, { order: find('order').value, truth: work.truth }));
  find('save').addEventListener('click', () => save(work.rows, { name: file.name, header: work.header, safe: find('safe').checked }));
  onLanguage(showAll);
  new ResizeObserver(() => { if (work && !flight) redrawHistogram(work.rows); }).observe(find('histogram'));
}

function acceptFiles() {
  const [drop, input] = [find('drop'), find('file')];
  input.addEventListener('change', () => { if (input.files[0]) read(input.files[0]); input.value = ''; });
  // Dropped beside the box, a file would replace the page.
  for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => event.preventDefault());
  for (const name of ['dragenter', 'dragover']) drop.addEventListener(name, () => drop.classList.add('over'));
  for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => { if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]); });
}

async function read(chosen) {
  flight?.abort();
  file = work = trouble = ending = null;
  try {
    if (chosen.size > LARGEST * 1e6) throw new Unreadable('file_large', { size: count(Math.ceil(chosen.size / 1e6)), most: LARGEST });
    const { text, encoding } = decode(new Uint8Array(await chosen.arrayBuffer()));
    const rows = parse(text);
    if (!rows.some((row) => row.some((cell) => cell.trim()))) throw new Unreadable('file_empty');
    file = { name: chosen.name, encoding: NAMES[encoding] ?? encoding.toUpperCase(), rows };
    find('header').checked = hasHeader(rows);
    chooseColumns();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    trouble = error;
  }
  showAll();
}

function chooseColumns() {
  const header = find('header').checked;
  showColumns();
  find('text-column').value = textColumn(file.rows, header);
  find('stars-column').value = starsColumn(file.rows, header);
}

function columnsChanged(id) {
  if (id === 'header') chooseColumns();
  showPreview();
}

// The rows below the header that are not blank; `row` is what a spreadsheet calls them.
function reviews() {
  const [text, stars] = [Number(find('text-column').value), Number(find('stars-column').value)];
  return file.rows
    .map((cells, at) => ({ row: at + 1, cells, text: cells[text] ?? '', truth: stars < 0 ? null : starsOf(cells[stars]) }))
    .slice(find('header').checked ? 1 : 0)
    .filter(({ cells }) => cells.some((cell) => cell.trim()));
}

async function run() {
  const own = (flight = new AbortController());
  const rows = reviews();
  const mine = (work = {
    rows, done: 0, truth: Number(find('stars-column').value) >= 0, header: find('header').checked ? file.rows[0] : null,
  });
  ending = null;
  showProgress();
  find('stop').focus();
  let end = 'finished';
  let reason = '';
  try {
    await scoreAll(rows.map(({ text }) => text), {
      signal: own.signal,
      done: (index, outcome) => { Object.assign(rows[index], outcome); mine.done++; },
      moved: () => { if (work === mine) showProgress(); },
    });
  } catch (error) {
    end = own.signal.aborted ? 'stopped' : 'broken';
    reason = error;
  }
  // Another file may have been chosen meanwhile.
  if (work !== mine) return;
  flight = null;
  ending = { end, reason };
  const focused = document.activeElement === find('stop');
  showAll();
  if (focused) find('start').focus();
}

function showAll() {
  tell(find('file-trouble'), trouble ? say(trouble.word, trouble.values) : '');
  const choose = find('choose');
  choose.dataset.word = file ? 'choose_other' : 'choose';
  choose.textContent = say(choose.dataset.word);
  choose.classList.toggle('quiet', Boolean(file));
  find('settings').hidden = !file;
  find('file-result').hidden = true;
  if (!file) return;
  showColumns();
  showPreview();
  showProgress();
  if (ending) showResults(work.rows, work);
}

function showColumns() {
  const names = find('header').checked ? file.rows[0] : [];
  const width = Math.max(...file.rows.slice(0, 100).map((row) => row.length));
  const options = Array.from({ length: width }, (_, at) =>
    make('option', { value: at }, names[at]?.trim().slice(0, 40) || say('column', { number: at + 1 })));
  const fill = (select, ...choices) => {
    const chosen = select.value;
    select.replaceChildren(...choices);
    select.value = chosen;
  };
  fill(find('text-column'), ...options);
  fill(find('stars-column'), make('option', { value: -1 }, say('no_column')), ...options.map((option) => option.cloneNode(true)));
}

function showPreview() {
  const rows = reviews();
  find('file-facts').textContent = say('file_facts', { ...file, rows: count(rows.length) });
  find('preview').replaceChildren(...rows.slice(0, 3).map(({ text, truth }) =>
    make('li', {}, ...(truth === null ? [] : [make('b', {}, `★${truth}`), ' ']), text.slice(0, 120))));
}

function showProgress() {
  const [done, all] = [work?.done ?? 0, work?.rows.length ?? 0];
  const values = { done: count(done), all: count(all) };
  find('start').hidden = Boolean(flight);
  find('stop').hidden = find('progress').hidden = !flight;
  for (const id of ['header', 'text-column', 'stars-column']) find(id).disabled = Boolean(flight);
  find('progress').value = all ? done / all : 0;
  find('progress-words').textContent = ending ? say(ending.end, { ...values, reason: ending.reason && explain(ending.reason) }) : flight ? say('progress_words', values) : '';
  // Spoken at each quarter only.
  const said = ending ? find('progress-words').textContent : all ? say('progress_said', { share: share(Math.floor((4 * done) / all) / 4) }) : '';
  if (find('progress-said').textContent !== said) find('progress-said').textContent = said;
}
