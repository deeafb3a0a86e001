import { element } from "./element.js";
import { drawSpans } from "./timeline.js";
import { clock } from "./words.js";

/**
 * The sums on the page agree: the parts are rounded so that they add up to the length of the strip.
 * @param {import("../client/messages.js").StoredSession} stored
 */
export function showStored({ row, spans, metrics }) {
  const start = spans.at(0)?.start_s ?? 0;
  const end = spans.at(-1)?.end_s ?? start;
  const counted = Math.round(metrics.focused_time + metrics.unfocused_time);
  const focused = Math.min(counted, Math.round(metrics.focused_time));
  const unknown = Math.max(0, Math.round(end - start) - counted);
  element("stored-lead").textContent =
    `${clock(counted)} counted, as focused or elsewhere. ` +
    (unknown ? `For ${clock(unknown)} nothing could be seen, or you had paused: that counts as neither. ` : "") +
    "These numbers are what is kept; no picture is.";
  drawSpans(element("stored-timeline"), spans, start, end);
  element("stored-axis-end").textContent = clock(counted + unknown);
  for (const [state, seconds] of Object.entries({ focused, unfocused: counted - focused, unknown })) {
    element("stored-times").querySelector(`[data-state="${state}"] dd`)?.replaceChildren(clock(seconds));
  }
  element("row").replaceChildren(...Object.entries(row ?? {}).map(([column, value]) => tableRow(column, value)));
  element("row-of-day").hidden = Number(row?.total_time_seconds ?? 0) <= counted + 1;
}

/** @param {string} column @param {string | number | null} value */
function tableRow(column, value) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = column;
  const cell = row.appendChild(document.createElement("td"));
  row.prepend(name);
  const shown = cell.appendChild(document.createElement("pre"));
  shown.textContent = column === "session_data" && typeof value === "string" ? indented(value) : String(value);
  cell.dataset.column = column;
  return row;
}

/** @param {string} json */
function indented(json) {
  return JSON.stringify(JSON.parse(json), null, 2);
}
