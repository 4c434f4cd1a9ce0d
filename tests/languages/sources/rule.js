// The rule of rule.py and rule.c, for QuickJS.
import { emit } from 'jointhedots:function/events@1.0.0';
import { get, put } from 'jointhedots:function/state@1.0.0';

let settings = {};

export function configure(text) {
  settings = JSON.parse(text);
}

export function handle(event) {
  if (event.tag !== 'prediction') return;
  const prediction = event.val;
  const seen = Number(get('seen') ?? '0') + 1;
  put('seen', String(seen));
  if (prediction.label === settings.label) {
    const share = prediction.values[prediction.names.indexOf(prediction.label)];
    emit('found', JSON.stringify({ seen, share, stream: prediction.stream }));
  }
}
