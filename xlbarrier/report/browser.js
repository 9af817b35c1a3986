// The browser of all answers: filters, a list of which only the visible part exists, one question
// in full. Answers and questions are untrusted: every text goes into the page as textContent.

const LINE = 44; // pixels of a line of the list; .answers [role=option] has the same height
const SPARE = 6; // lines that exist above and below the visible ones
const root = document.getElementById('browser');
const controls = Object.fromEntries(
  [...root.querySelectorAll('select, input')].map((control) => [control.name, control]),
);
const list = root.querySelector('[role=listbox]');
const space = list.firstElementChild;
const found = root.querySelector('[role=status]');
const detail = root.querySelector('.detail');
const opened = new Map(); // task number -> promise of its answers
let task; // the TaskAnswers shown
let items = []; // numbers of the questions that the filters leave, in order
let selected = -1; // position in items
let fresh = true; // at first, English and another language are side by side
let turn = 0; // of the latest refresh; an older one that ends later shows nothing

function make(tag, fields = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'class') element.className = value;
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function languageName(code) {
  return answers.languages[code]?.name ?? code;
}

function foreign(tag, { text, language }, fields = {}) {
  const direction = answers.languages[language]?.direction ?? 'auto';
  return make(tag, { lang: language, dir: direction, ...fields }, text);
}

// Fills a select with [value, words] pairs and keeps its value where that is still offered.
function offer(select, pairs) {
  const before = select.value;
  select.replaceChildren(...pairs.map(([value, words]) => make('option', { value }, words)));
  const kept = pairs.some(([value]) => String(value) === before);
  select.value = kept ? before : String(pairs[0]?.[0] ?? '');
  select.closest('label').hidden = pairs.length < 2;
}

function sheetOf(variant, language) {
  return task.index.sheets.findIndex((s) => s.variant === variant && s.language === language);
}

function state() {
  const beside = controls.beside.value === '' ? -1 : Number(controls.beside.value);
  const all = task.index.models;
  return {
    reading: Number(controls.reading.value || 0),
    sheet: sheetOf(controls.variant.value, controls.language.value),
    beside,
    models: controls.model.value === '' ? all : [controls.model.value],
  };
}

// Offers what the task and the choices before each control leave.
function offerAll() {
  const { index } = task;
  offer(controls.reading, index.readings.map((r, number) => [number, r.method]));
  offer(controls.variant, [...new Set(index.sheets.map((s) => s.variant))].map((v) => [v, v]));
  const own = index.sheets.filter((s) => s.variant === controls.variant.value);
  offer(controls.language, own.map((s) => [s.language, languageName(s.language)]));
  const sheet = sheetOf(controls.variant.value, controls.language.value);
  const others = index.sheets
    .map((s, number) => [number, `${languageName(s.language)}, ${s.variant}`])
    .filter(([number]) => number !== sheet);
  offer(controls.beside, [['', 'nothing'], ...others]);
  offer(controls.model, index.models.length > 1
    ? [['', 'all models'], ...index.models.map((m) => [m, m])]
    : index.models.map((m) => [m, m]));
  const many = controls.model.value === '' && index.models.length > 1;
  const kinds = [['', 'all answers'], ['right', many ? 'right in all models' : 'right'],
    ['wrong', many ? 'wrong in all models' : 'wrong'], ['unread', 'could not be read']];
  if (many) kinds.push(['differ', 'models differ']);
  if (controls.beside.value !== '') {
    kinds.push(['here', 'right here, wrong beside'], ['beside', 'wrong here, right beside']);
  }
  offer(controls.answer, index.readings.length ? kinds : [['', 'all answers']]);
  offer(controls.subject,
    [['', 'all'], ...index.subjects.map((s, number) => [number, s.replaceAll('_', ' ')])]);
  const sorts = [['', 'as asked'], ['id', 'id'], ['subject', 'subject'],
    ['least', 'right in fewest languages'], ['most', 'right in most languages']];
  offer(controls.sort, index.readings.length ? sorts : sorts.slice(0, 3));
}

function passes(item, chosen) {
  const { reading, sheet, beside, models } = chosen;
  if (!task.asked(sheet, item)) return false;
  if (controls.subject.value !== '' && task.subjects[item] !== Number(controls.subject.value)) {
    return false;
  }
  const kind = controls.answer.value;
  if (!kind) return true;
  const here = models.map((m) => task.right(reading, m, sheet, item));
  if (kind === 'right') return here.every((r) => r === true);
  if (kind === 'wrong') return here.every((r) => r === false || r === null);
  if (kind === 'unread') return here.includes(null);
  if (kind === 'differ') return here.includes(true) && here.some((r) => !r && r !== undefined);
  const there = models.map((m) => task.right(reading, m, beside, item));
  const [right, wrong] = kind === 'here' ? [here, there] : [there, here];
  return right.every((r) => r === true) && wrong.every((r) => !r && r !== undefined);
}

function sorted(numbers, { reading, sheet, models }) {
  const by = controls.sort.value;
  if (by === 'id') numbers.sort((a, b) => (task.ids[a] < task.ids[b] ? -1 : 1));
  if (by === 'subject') numbers.sort((a, b) => task.subjects[a] - task.subjects[b] || a - b);
  if (by === 'least' || by === 'most') {
    const { variant } = task.index.sheets[sheet];
    const sheets = task.index.sheets.map((s, n) => n).filter(
      (n) => task.index.sheets[n].variant === variant,
    );
    const count = new Map(numbers.map((item) => [item, sheets.reduce((sum, s) => (
      sum + models.filter((m) => task.right(reading, m, s, item)).length
    ), 0)]));
    const sign = by === 'least' ? 1 : -1;
    numbers.sort((a, b) => sign * (count.get(a) - count.get(b)) || a - b);
  }
  return numbers;
}

// The questions that have the words in a text shown, or in their id.
async function searched(numbers, chosen, mine) {
  const words = controls.search.value.normalize('NFC').toLowerCase().trim();
  if (!words) return numbers;
  const sheets = chosen.beside < 0 ? [chosen.sheet] : [chosen.sheet, chosen.beside];
  const kept = [];
  for (const item of numbers) {
    if (turn !== mine) return [];
    let hit = task.ids[item].toLowerCase().includes(words);
    for (const sheet of hit ? [] : sheets) {
      let texts = task.texts(sheet, item);
      if (texts instanceof Promise) texts = await texts;
      hit ||= texts.some((t) => t.text.normalize('NFC').toLowerCase().includes(words));
    }
    if (hit) kept.push(item);
  }
  return kept;
}

async function refresh() {
  const mine = ++turn;
  const number = Number(controls.task.value);
  if (!opened.has(number)) opened.set(number, new TaskAnswers(answers.tasks[number]).open());
  task = await opened.get(number);
  offerAll();
  if (fresh && controls.beside.options.length > 1) controls.beside.selectedIndex = 1;
  if (fresh) offerAll();
  fresh = false;
  const chosen = state();
  const before = items[selected];
  let numbers = [...task.ids.keys()].filter((item) => passes(item, chosen));
  numbers = await searched(numbers, chosen, mine);
  if (turn !== mine) return;
  items = sorted(numbers, chosen);
  found.textContent = `${items.length.toLocaleString('en')} of `
    + `${task.index.items.toLocaleString('en')} questions`;
  space.style.height = `${items.length * LINE}px`;
  const at = items.indexOf(before);
  select(Math.max(at, items.length ? 0 : -1), at < 0);
  draw();
}

function mark(right) {
  const [words, sign] = right === undefined ? ['not asked', '·']
    : right === null ? ['could not be read', '?'] : right ? ['right', '✓'] : ['wrong', '✗'];
  const kind = right ? 'right' : right === undefined ? 'none' : 'wrong';
  return make('span', { class: `mark ${kind}`, title: words }, sign);
}

function line(position) {
  const item = items[position];
  const chosen = state();
  const option = make('div', {
    role: 'option',
    id: `answer-${position}`,
    'aria-selected': position === selected,
    'aria-posinset': position + 1,
    'aria-setsize': items.length,
    style: `top: ${position * LINE}px`,
  });
  const sheets = chosen.beside < 0 ? [chosen.sheet] : [chosen.sheet, chosen.beside];
  const marks = make('span', { class: 'marks' });
  for (const sheet of task.index.readings.length ? sheets : []) {
    const own = chosen.models.map((m) => mark(task.right(chosen.reading, m, sheet, item)));
    marks.append(make('span', {}, ...own));
  }
  const text = make('span', { class: 'text' }, '…');
  option.append(marks, text);
  Promise.resolve(task.texts(chosen.sheet, item)).then(
    ([question]) => text.replaceWith(foreign('span', question, { class: 'text' })),
    (error) => { text.textContent = error.message; },
  );
  option.addEventListener('click', () => select(position, false));
  return option;
}

// Makes the lines that can be seen.
function draw() {
  const first = Math.max(0, Math.floor(list.scrollTop / LINE) - SPARE);
  const last = Math.ceil((list.scrollTop + list.clientHeight) / LINE) + SPARE;
  const made = [];
  for (let i = first; i < Math.min(last, items.length); i++) made.push(line(i));
  space.replaceChildren(...made);
}

function select(position, scroll = true) {
  selected = position;
  if (position < 0) {
    list.removeAttribute('aria-activedescendant');
    detail.replaceChildren();
    return;
  }
  if (scroll) {
    const top = position * LINE;
    if (top < list.scrollTop) list.scrollTop = top;
    const bottom = top + LINE - list.clientHeight;
    if (bottom > list.scrollTop) list.scrollTop = bottom;
  }
  draw();
  list.setAttribute('aria-activedescendant', `answer-${position}`);
  show(items[position]);
}

async function show(item) {
  const mine = turn;
  const chosen = state();
  const sheets = chosen.beside < 0 ? [chosen.sheet] : [chosen.sheet, chosen.beside];
  const shown = await Promise.all(sheets.map((sheet) => article(item, sheet, chosen)))
    .catch((error) => [make('p', { class: 'soft' }, error.message)]);
  if (mine !== turn || items[selected] !== item) return;
  const subject = task.index.subjects[task.subjects[item]];
  const about = [task.ids[item], subject?.replaceAll('_', ' ')].filter(Boolean).join(' · ');
  detail.replaceChildren(make('p', { class: 'soft' }, about), make('div', { class: 'beside' }, ...shown));
}

// One question in one sheet: its options with those that each model chose, or what was written.
async function article(item, sheet, { reading, models }) {
  const { variant, language, answer } = task.index.sheets[sheet];
  const title = make('h3', {}, `${languageName(language)}, ${variant}`);
  if (!task.asked(sheet, item)) {
    return make('article', { class: 'question' }, title, 'This question was not asked here.');
  }
  const [question, ...options] = await task.texts(sheet, item);
  const made = make('article', { class: 'question' }, title, foreign('p', question, { class: 'ask' }));
  const right = task.code(answer, item);
  const written = task.index.kind === 'written';
  const lines = options.map((option, number) => {
    const is = written || number === right;
    const chips = written ? [] : models.filter(
      (m) => task.code(task.index.readings[reading].chosen[m]?.[sheet] ?? -1, item) === number,
    );
    return make('li', is ? { class: 'right' } : {}, foreign('bdi', option),
      ...(is ? [make('span', { class: 'chip' }, 'right')] : []),
      ...chips.map((m) => make('span', { class: `chip ${is ? 'yes' : 'no'}` }, m)));
  });
  made.append(make('ol', { dir: answers.languages[question.language]?.direction }, ...lines));
  for (const model of models) {
    const own = await task.written(model, sheet, item);
    if (!own) continue;
    const measures = (task.index.measures ?? [])
      .map((name, i) => (own[i + 1] ? `${name.replaceAll('_', ' ')} ${own[i + 1]}` : ''))
      .filter(Boolean).join(', ');
    made.append(make('p', { class: 'wrote' }, make('span', { class: 'chip' }, model), ' ',
      make('bdi', { dir: 'auto' }, own[0] ?? ''), make('span', { class: 'soft' }, ` ${measures}`)));
  }
  return made;
}

let pause;
root.querySelector('form').addEventListener('submit', (event) => event.preventDefault());
root.addEventListener('change', refresh);
controls.search.addEventListener('input', () => {
  clearTimeout(pause);
  pause = setTimeout(refresh, 200);
});
list.addEventListener('scroll', () => requestAnimationFrame(draw));
list.addEventListener('keydown', (event) => {
  const page = Math.max(1, Math.floor(list.clientHeight / LINE) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
  if (!(event.key in steps) || !items.length) return;
  event.preventDefault();
  select(Math.min(items.length - 1, Math.max(0, selected + steps[event.key])));
});

if (typeof DecompressionStream === 'undefined') {
  found.textContent = 'This browser is too old to unpack the answers (it has no DecompressionStream).';
} else {
  offer(controls.task, answers.tasks.map((t, number) => [number, t.name]));
  refresh();
}
