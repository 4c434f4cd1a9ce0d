// Raises an alarm when an answer has been high for some windows in a row, and clears it again.
import { emit } from "jointhedots:function/events@1.0.0";
import { get, put } from "jointhedots:function/state@1.0.0";

let settings = {};

export function configure(text) {
  settings = JSON.parse(text);
}

export function handle(event) {
  const place = event.val.names.indexOf(settings.name);
  if (settings.below > settings.above) throw "below must be at most above";
  if (place < 0) throw `there is no ${settings.name}`;
  const value = event.val.values[place];
  let raised = kept("raised", false);
  let seen = kept("seen", 0);
  const turns = raised ? value < settings.below : value >= settings.above;
  seen = turns ? seen + 1 : 0;
  if (seen >= settings.windows) {
    raised = !raised;
    seen = 0;
    emit(raised ? "alarm-raised" : "alarm-cleared", JSON.stringify({ name: settings.name, value }));
  }
  put("raised", JSON.stringify(raised));
  put("seen", JSON.stringify(seen));
}

function kept(key, otherwise) {
  const text = get(key);
  return text === undefined ? otherwise : JSON.parse(text);
}
