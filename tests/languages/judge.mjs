// Calls a component that jco has transpiled, under V8, and writes what comes of each event as a line.
// node judge.mjs FOLDER < REQUEST: {source, file, settings, called, events, answers, needs}
import { readFileSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const { source, file, settings, called, events, answers } = JSON.parse(readFileSync(0, 'utf8'));
const { instantiate } = await import(pathToFileURL(`${folder}/judged.js`).href);
const modules = new Map();
const module = (path) => {
  if (!modules.has(path)) modules.set(path, new WebAssembly.Module(readFileSync(`${folder}/${path}`)));
  return modules.get(path);
};

let call; // what the present call has done
const bits = (values) => Buffer.from(Float32Array.from(values).buffer).toString('hex');
const imports = {
  'jointhedots:function/events': { emit: (kind, data) => void call.emitted.push([kind, data]) },
  'jointhedots:function/state': {
    get: (key) => call.state.get(key),
    put: (key, value) => void call.state.set(key, value),
    drop: (key) => void call.state.delete(key),
  },
  'jointhedots:function/logs': { log: (level, text) => void call.lines.push([level, text]) },
  'jointhedots:function/model': {
    infer: (values, shape) => {
      call.asked.push([[...shape], bits(values)]);
      return Float32Array.from(answers.shift());
    },
  },
  'jointhedots:function/watching': { at: () => undefined },
};

const begun = (state) => ({ emitted: [], lines: [], asked: [], state: new Map(state) });
const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const of = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [
  camel(name),
  name.endsWith('_ns') ? BigInt(value) : name === 'values' ? Float32Array.from(value) : value,
]));
const given = ([kind, fields]) => ({ tag: kind, val: kind === 'tick' ? BigInt(fields.time_ns) : of(fields) });

call = begun();
const made = instantiate(module, imports);
if (source !== null) made.load(file, source);
made.configure(settings);
const states = new Map();
for (const [kind, fields] of events) {
  const stream = fields.stream ?? '';
  call = begun(states.get(stream));
  let shape = null;
  let error = null;
  try {
    if (called === 'transform') {
      const found = made.transform(of(fields));
      shape = [String(found.startNs), String(found.endNs), found.stream, found.channels, bits(found.values)];
    } else made.handle(given([kind, fields]));
    states.set(stream, call.state);
  } catch (thrown) {
    if (!Object.hasOwn(thrown, 'payload')) throw thrown;
    error = thrown.payload;
  }
  const state = [...(states.get(stream) ?? new Map())].sort(([one], [other]) => (one < other ? -1 : 1));
  writeSync(1, JSON.stringify([call.emitted, state, shape, call.lines, call.asked, error]) + '\n');
}
