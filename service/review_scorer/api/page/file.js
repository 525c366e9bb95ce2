// Second tab: reads a file, lets the user choose its columns, scores its rows and shows the results.

import { errorMessage } from './api.js';
import { scoreAll } from './batch.js';
import { hasHeader, parseStars, starsColumn, textColumn } from './columns.js';
import { decode, FileError, parse } from './csv.js';
import { byId, createHTML, showMessage } from './dom.js';
import { formatNumber, formatPercent, onLanguageChange, translate } from './language.js';
import { redrawHistogram, save, showResults } from './results.js';
import { showTable } from './table.js';

const MAX_MEGABYTES = 50;
const ENCODING_NAMES = { 'utf-8': 'UTF-8', shift_jis: 'Shift_JIS' };

let file = null; // {name, encoding, rows}
let job = null; // {rows, done, truth, header} of the last scoring
let controller = null; // AbortController of the scoring in progress
let fileError = null; // FileError of the last file
let outcome = null; // {word, error}: how the last scoring ended

export function startFile() {
  acceptFiles();
  for (const id of ['header', 'text-column', 'stars-column']) byId(id).addEventListener('change', () => columnsChanged(id));
  byId('start').addEventListener('click', score);
  byId('stop').addEventListener('click', () => controller?.abort());
  byId('order').addEventListener('change', () => showTable(byId('table'), job.rows, { order: byId('order').value, truth: job.truth }));
  byId('save').addEventListener('click', () => save(job.rows, { name: file.name, header: job.header, escapeFormulas: byId('escape-formulas').checked }));
  onLanguageChange(showAll);
  new ResizeObserver(() => { if (job && !controller) redrawHistogram(job.rows); }).observe(byId('histogram'));
}

function acceptFiles() {
  const [drop, input] = [byId('drop'), byId('file')];
  input.addEventListener('change', () => { if (input.files[0]) read(input.files[0]); input.value = ''; });
  // The browser would open a file that is dropped beside the box.
  for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => event.preventDefault());
  for (const name of ['dragenter', 'dragover']) drop.addEventListener(name, () => drop.classList.add('over'));
  for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => { if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]); });
}

async function read(chosen) {
  controller?.abort();
  file = job = fileError = outcome = null;
  try {
    if (chosen.size > MAX_MEGABYTES * 1e6) throw new FileError('file_large', { size: formatNumber(Math.ceil(chosen.size / 1e6)), limit: MAX_MEGABYTES });
    const { text, encoding } = decode(new Uint8Array(await chosen.arrayBuffer()));
    const rows = parse(text);
    if (!rows.some((row) => row.some((cell) => cell.trim()))) throw new FileError('file_empty');
    file = { name: chosen.name, encoding: ENCODING_NAMES[encoding] ?? encoding.toUpperCase(), rows };
    byId('header').checked = hasHeader(rows);
    chooseColumns();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    fileError = error;
  }
  showAll();
}

function chooseColumns() {
  const header = byId('header').checked;
  showColumns();
  byId('text-column').value = textColumn(file.rows, header);
  byId('stars-column').value = starsColumn(file.rows, header);
}

function columnsChanged(id) {
  if (id === 'header') chooseColumns();
  showPreview();
}

// The rows below the header that are not blank. `row` is the row number in a spreadsheet.
function reviews() {
  const [text, stars] = [Number(byId('text-column').value), Number(byId('stars-column').value)];
  return file.rows
    .map((cells, at) => ({ row: at + 1, cells, text: cells[text] ?? '', truth: stars < 0 ? null : parseStars(cells[stars]) }))
    .slice(byId('header').checked ? 1 : 0)
    .filter(({ cells }) => cells.some((cell) => cell.trim()));
}

async function score() {
  const thisController = (controller = new AbortController());
  const rows = reviews();
  const thisJob = (job = {
    rows, done: 0, truth: Number(byId('stars-column').value) >= 0, header: byId('header').checked ? file.rows[0] : null,
  });
  outcome = null;
  showProgress();
  byId('stop').focus();
  let ended = { word: 'finished', error: null };
  try {
    await scoreAll(rows.map(({ text }) => text), {
      signal: thisController.signal,
      onResult: (index, result) => { Object.assign(rows[index], result); thisJob.done++; },
      onProgress: () => { if (job === thisJob) showProgress(); },
    });
  } catch (error) {
    ended = { word: thisController.signal.aborted ? 'stopped' : 'interrupted', error };
  }
  // Another file may have been chosen in the meantime.
  if (job !== thisJob) return;
  controller = null;
  outcome = ended;
  const focused = document.activeElement === byId('stop');
  showAll();
  if (focused) byId('start').focus();
}

function showAll() {
  showMessage(byId('file-error'), fileError ? translate(fileError.word, fileError.values) : '');
  const choose = byId('choose');
  choose.dataset.word = file ? 'choose_other' : 'choose';
  choose.textContent = translate(choose.dataset.word);
  choose.classList.toggle('quiet', Boolean(file));
  byId('settings').hidden = !file;
  byId('file-result').hidden = true;
  if (!file) return;
  showColumns();
  showPreview();
  showProgress();
  if (outcome) showResults(job.rows, job);
}

function showColumns() {
  const names = byId('header').checked ? file.rows[0] : [];
  const width = Math.max(...file.rows.slice(0, 100).map((row) => row.length));
  const options = Array.from({ length: width }, (_, at) =>
    createHTML('option', { value: at }, names[at]?.trim().slice(0, 40) || translate('column', { number: at + 1 })));
  const fill = (select, ...choices) => {
    const chosen = select.value;
    select.replaceChildren(...choices);
    select.value = chosen;
  };
  fill(byId('text-column'), ...options);
  fill(byId('stars-column'), createHTML('option', { value: -1 }, translate('no_column')), ...options.map((option) => option.cloneNode(true)));
}

function showPreview() {
  const rows = reviews();
  byId('file-facts').textContent = translate('file_facts', { ...file, rows: formatNumber(rows.length) });
  byId('preview').replaceChildren(...rows.slice(0, 3).map(({ text, truth }) =>
    createHTML('li', {}, ...(truth === null ? [] : [createHTML('b', {}, `★${truth}`), ' ']), text.slice(0, 120))));
}

function showProgress() {
  const [done, all] = [job?.done ?? 0, job?.rows.length ?? 0];
  const values = { done: formatNumber(done), all: formatNumber(all) };
  byId('start').hidden = Boolean(controller);
  byId('stop').hidden = byId('progress').hidden = !controller;
  for (const id of ['header', 'text-column', 'stars-column']) byId(id).disabled = Boolean(controller);
  byId('progress').value = all ? done / all : 0;
  byId('progress-text').textContent = outcome ? translate(outcome.word, { ...values, reason: outcome.error && errorMessage(outcome.error) }) : controller ? translate('progress_text', values) : '';
  // Screen readers announce each quarter only.
  const announcement = outcome ? byId('progress-text').textContent : all ? translate('progress_announcement', { share: formatPercent(Math.floor((4 * done) / all) / 4) }) : '';
  if (byId('progress-announcement').textContent !== announcement) byId('progress-announcement').textContent = announcement;
}
