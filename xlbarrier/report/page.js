// Sorts tables by a click on a column's head, and opens what is folded before printing.

// A cell's value: its first number where it begins with one, else its text; a dash comes last.
function valueOf(cell) {
  const text = (cell?.firstChild?.textContent ?? '').trim().replace('−', '-');
  if (text === '' || text.startsWith('–')) return null;
  const number = /^(?:< )?[+-]?[\d,]*\.?\d+/.exec(text);
  return number ? Number(number[0].replaceAll(',', '').replace('< ', '')) - (text[0] === '<' ? 1e-9 : 0) : text;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en');
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const sign = heads[column].ariaSort === 'ascending' ? -1 : 1;
  for (const head of heads) head.removeAttribute('aria-sort');
  heads[column].setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[column]), row]);
  rows.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : sign * compare(a, b)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll('table.sortable')) {
  if (table.tBodies[0].rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => sortBy(table, column));
  });
}

let folded = [];
addEventListener('beforeprint', () => {
  folded = [...document.querySelectorAll('details:not([open])')];
  for (const details of folded) details.open = true;
});
addEventListener('afterprint', () => {
  for (const details of folded) details.open = false;
});
