/**
 * Strips of many learners, on canvases: two hundred of them change every second.
 *
 * Told apart by height and hatching too, not by colour alone: full height is turned to the screen, half is elsewhere,
 * hatched is unknown.
 */

export const STRIP_S = 600;
const HEIGHT_OF_ELSEWHERE = 0.55;

/**
 * @typedef {{from: number, to: number, state: import("./api.js").FocusState}} Stretch milliseconds since 1970
 * @typedef {{focused: string, unfocused: string, unknown: string}} Colours
 */

/** @type {Colours | null} */
let colours = null;
/** @type {Set<() => void>} */
const whenColoursChange = new Set();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = null;
  for (const redraw of whenColoursChange) redraw();
});

/** @param {() => void} redraw called when the theme has changed */
export function onColours(redraw) {
  whenColoursChange.add(redraw);
}

/** @returns {Colours} of the theme */
export function themeColours() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    colours = { focused: colour("--focused"), unfocused: colour("--unfocused"), unknown: colour("--unknown") };
  }
  return colours;
}

/** @param {import("./api.js").RecentSpan[]} spans @returns {Stretch[]} */
export function stretchesOf(spans) {
  return spans.map(({ start, end, state }) => ({ from: Date.parse(start), to: Date.parse(end), state }));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Stretch[]} stretches
 * @param {number} now in milliseconds: the strip's right end
 */
export function drawStrip(canvas, stretches, now) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  if (!context) return;
  context.clearRect(0, 0, width, height);
  const start = now - 1000 * STRIP_S;
  const x = (/** @type {number} */ at) => (width * (Math.max(at, start) - start)) / (1000 * STRIP_S);
  for (const { from, to, state } of stretches) {
    if (to <= start) continue;
    const [left, right] = [Math.round(x(from)), Math.round(x(Math.min(to, now)))];
    const wide = Math.max(right - left, 1);
    const high = state === "unfocused" ? height * HEIGHT_OF_ELSEWHERE : height;
    context.fillStyle = state === "unknown" ? hatching(context) : themeColours()[state];
    context.fillRect(left, height - high, wide, high);
  }
}

/** @type {WeakMap<Colours, CanvasPattern>} */
const patterns = new WeakMap();

/** @param {CanvasRenderingContext2D} context @returns {CanvasPattern | string} */
export function hatching(context) {
  const theme = themeColours();
  const known = patterns.get(theme);
  if (known) return known;
  const size = 7 * Math.max(1, Math.round(devicePixelRatio));
  const tile = new OffscreenCanvas(size, size);
  const pen = tile.getContext("2d");
  if (!pen) return theme.unknown;
  pen.strokeStyle = theme.unknown;
  pen.lineWidth = size / 4;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  const pattern = context.createPattern(tile, "repeat") ?? theme.unknown;
  if (typeof pattern !== "string") patterns.set(theme, pattern);
  return pattern;
}

/**
 * Gives a canvas as many pixels as it has on the screen.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width @param {number} height in CSS pixels
 */
export function fit(canvas, width, height) {
  const [wide, high] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width === wide && canvas.height === high) return;
  canvas.width = wide;
  canvas.height = high;
}
