// Tells a new label once it has been the most probable one for some windows in a row.
import { emit } from "jointhedots:function/events@1.0.0";
import { get, put } from "jointhedots:function/state@1.0.0";

let settings = {};

export function configure(text) {
  settings = JSON.parse(text);
}

export function handle(event) {
  const prediction = event.val;
  const stands = kept("stands", null);
  let candidate = kept("candidate", null);
  let seen = kept("seen", 0);
  let since = kept("since_ns", "0");
  if (prediction.label !== candidate) {
    candidate = prediction.label;
    seen = 0;
    since = String(prediction.startNs);
  }
  seen += 1;
  let now = stands;
  if (candidate !== stands && seen >= settings.windows) {
    now = candidate;
    emit("label-change", changed(stands, candidate, since));
  }
  put("stands", JSON.stringify(now));
  put("candidate", JSON.stringify(candidate));
  put("seen", JSON.stringify(Math.min(seen, settings.windows)));
  put("since_ns", JSON.stringify(since));
}

// A time in nanoseconds has more digits than a number of JavaScript: it is written as it is.
function changed(from, to, since) {
  return `{"from":${JSON.stringify(from)},"to":${JSON.stringify(to)},"since_ns":${since}}`;
}

function kept(key, otherwise) {
  const text = get(key);
  return text === undefined ? otherwise : JSON.parse(text);
}
