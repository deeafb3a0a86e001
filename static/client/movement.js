/** The picture is looked at in so many cells: ten by ten pixels of 640×480, so that a blink changes several. */
export const COLUMNS = 64;
export const ROWS = 48;

/** A cell that changes less does so by a camera's coding, a lamp, or the breath of somebody who sits still. */
const LEAST_LEVELS = 6;
/** Fewer cells are dust or a pixel of a clock; a blink at arm's length changes four or more. */
const LEAST_CELLS = 3;
/** A cell moves if it changes by so many times the noise: five standard deviations of it. */
const NOISE_FACTOR = 15;
/** The share of the newest picture in the noise: a camera raises its gain within seconds, not frames. */
const NOISE_SHARE = 0.05;
/** After the last movement: a blink is over, and so is the pause within a turn of the head. */
const HOLD_MS = 500;

/** Tells from a camera's coarse pictures whether anything moves. It reads no clock: times come in as arguments. */
export class Movement {
  /** Luma of each cell of the picture before. */
  #before = new Float32Array(COLUMNS * ROWS);
  #changes = new Float32Array(COLUMNS * ROWS);
  /** Levels by which the quieter half of the cells change from one picture to the next, slowly updated. */
  #noise = 0;
  #movedAt = -Infinity;
  #first = true;

  /**
   * Whether something moves, or has just moved.
   * @param {Uint8ClampedArray} pixels RGBA, `COLUMNS` × `ROWS`, row by row
   * @param {number} atMs when the picture was taken, in milliseconds
   */
  seen(pixels, atMs) {
    const cells = this.#changedCells(pixels);
    if (this.#first || cells >= LEAST_CELLS || isBlank(pixels)) this.#movedAt = atMs;
    this.#first = false;
    return atMs - this.#movedAt < HOLD_MS;
  }

  /** @param {Uint8ClampedArray} pixels @returns {number} how many cells change by more than noise */
  #changedCells(pixels) {
    const changes = this.#changes;
    changes.forEach((_, cell) => {
      const now = luma(pixels, cell);
      changes[cell] = Math.abs(now - this.#before[cell]);
      this.#before[cell] = now;
    });
    changes.sort();
    if (!this.#first) this.#noise += NOISE_SHARE * (quieterHalf(changes) - this.#noise);
    const limit = Math.max(LEAST_LEVELS, NOISE_FACTOR * this.#noise);
    return changes.length - 1 - changes.findLastIndex((change) => change < limit);
  }
}

/**
 * One colour all over: a browser that lets no page read its canvas, so nothing is known.
 * @param {Uint8ClampedArray} pixels
 */
function isBlank(pixels) {
  return pixels.every((value, index) => value === pixels[index % 4]);
}

/** @param {Uint8ClampedArray} pixels @param {number} cell @returns {number} by ITU-R BT.601 */
function luma(pixels, cell) {
  return 0.299 * pixels[4 * cell] + 0.587 * pixels[4 * cell + 1] + 0.114 * pixels[4 * cell + 2];
}

/** @param {Float32Array} sorted @returns {number} the mean of its smaller half, in which little moves */
function quieterHalf(sorted) {
  const half = sorted.subarray(0, sorted.length >> 1);
  return half.reduce((sum, value) => sum + value, 0) / half.length;
}
