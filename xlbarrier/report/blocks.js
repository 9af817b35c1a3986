// Unpacks the answers that report/answer_data.py packed: gzip in base64, each block when it is
// first looked at.

const answers = JSON.parse(document.getElementById('answers-data').textContent);
const unpacked = new Map(); // block -> promise of its bytes
const waiting = new Map(); // layer -> promise of its file

// A file of texts calls this with its blocks.
globalThis.xlbarrierBlocks = (more) => Object.assign(answers.blocks, more);

function fetchLayer(layer) {
  const address = (answers.files ?? {})[layer];
  if (!address) return Promise.resolve();
  if (!waiting.has(layer)) {
    waiting.set(layer, new Promise((done, fail) => {
      const script = document.createElement('script');
      script.src = address;
      script.onload = done;
      script.onerror = () => fail(new Error(`${address} is missing: keep it beside this page`));
      document.head.append(script);
    }));
  }
  return waiting.get(layer);
}

async function bytesOf(block) {
  if (!unpacked.has(block)) {
    const binary = atob(answers.blocks[block]);
    delete answers.blocks[block];
    const packed = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    unpacked.set(block, new Response(stream).arrayBuffer());
  }
  return unpacked.get(block);
}

async function jsonOf(block) {
  return JSON.parse(new TextDecoder().decode(await bytesOf(block)));
}

// One task: its ids and subjects, its columns of codes, and texts by layer and chunk.
class TaskAnswers {
  constructor(index) {
    this.index = index;
    this.none = index.width === 1 ? 255 : 65535; // could not be read
    this.absent = this.none - 1; // was not asked
    this.chunks = new Map();
  }

  async open() {
    const [items, codes] = await Promise.all([
      jsonOf(`${this.index.key}/items`), bytesOf(`${this.index.key}/codes`),
    ]);
    [this.ids, this.subjects] = items;
    this.codes = this.index.width === 1 ? new Uint8Array(codes) : new Uint16Array(codes);
    return this;
  }

  code(column, item) {
    return this.codes[column * this.index.items + item];
  }

  // true, false, null where the answer could not be read, or undefined where there is none.
  right(reading, model, sheet, item) {
    const column = this.index.readings[reading]?.chosen[model]?.[sheet];
    if (column === undefined) return undefined;
    const chosen = this.code(column, item);
    if (chosen === this.absent) return undefined;
    if (chosen === this.none) return null;
    return chosen === this.code(this.index.sheets[sheet].answer, item);
  }

  asked(sheet, item) {
    return this.code(this.index.sheets[sheet].answer, item) !== this.absent;
  }

  chunk(layer, item) {
    const number = Math.floor(item / answers.chunk);
    const name = `${this.index.key}/${layer}/${number}`;
    if (!this.chunks.has(name)) {
      const ready = fetchLayer(`${this.index.key}/${layer}`).then(() => jsonOf(name));
      this.chunks.set(name, ready);
      ready.then((texts) => this.chunks.set(name, texts), () => {});
    }
    return this.chunks.get(name);
  }

  // The texts of a question in a sheet, each with its language: [{text, language}, ...].
  // A promise, unless all chunks are unpacked already.
  texts(sheet, item) {
    const slots = this.index.sheets[sheet].slots.map((column) => this.code(column, item));
    const chunks = slots.map((layer) => (layer < this.absent ? this.chunk(layer, item) : null));
    const made = (ready) => slots.map((layer, slot) => ready[slot] && {
      text: ready[slot][slot][item % answers.chunk] ?? '',
      language: this.index.layers[layer].language,
    }).filter(Boolean);
    return chunks.some((c) => c instanceof Promise) ? Promise.all(chunks).then(made) : made(chunks);
  }

  // What a model wrote, with its measures: [text, number, ...]; null where nothing was written.
  async written(model, sheet, item) {
    const layer = this.index.written[model]?.[sheet];
    if (layer === undefined) return null;
    const texts = await this.chunk(layer, item);
    return texts.map((column) => column[item % answers.chunk]);
  }
}
