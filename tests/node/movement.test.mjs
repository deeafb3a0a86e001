// `node --test`: pictures are made here, cell by cell.

import assert from "node:assert/strict";
import { test } from "node:test";

import { COLUMNS, Movement, ROWS } from "../../static/client/movement.js";

const FRAME_MS = 1000 / 15;

/** The same numbers each time: mulberry32, two of them to a normal deviate. */
function noise(seed) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** A grey wall with a darker square, ten cells wide, at `left`; `changed` cells are 20 levels lighter. */
function picture({ left = 20, changed = 0, grain = 0, random = noise(1) } = {}) {
  const pixels = new Uint8ClampedArray(4 * COLUMNS * ROWS);
  for (let cell = 0; cell < COLUMNS * ROWS; cell++) {
    const [column, row] = [cell % COLUMNS, Math.floor(cell / COLUMNS)];
    const inside = column >= left && column < left + 10 && row >= 10 && row < 20;
    const level = (inside ? 80 : 160) + (cell < changed ? 20 : 0) + grain * random();
    pixels.fill(level, 4 * cell, 4 * cell + 3);
  }
  return pixels;
}

/** For each of the pictures, whether something moves. */
function moving(movement, pictures, fromMs = 0) {
  return pictures.map((pixels, index) => movement.seen(pixels, fromMs + index * FRAME_MS));
}

test("a still picture is still after half a second", () => {
  const seen = moving(new Movement(), Array(30).fill(picture()));
  assert.deepEqual(seen, Array.from({ length: 30 }, (_, index) => index < 8));
});

test("the very picture in which something moves says so, and half a second goes by until it is still", () => {
  const movement = new Movement();
  moving(movement, Array(30).fill(picture()));
  const seen = moving(movement, Array(20).fill(picture({ left: 21 })), 30 * FRAME_MS);
  assert.deepEqual(seen, Array.from({ length: 20 }, (_, index) => index < 8));
});

test("a blink is seen: four cells of three thousand", () => {
  const movement = new Movement();
  moving(movement, Array(30).fill(picture()));
  assert.equal(movement.seen(picture({ changed: 4 }), 30 * FRAME_MS), true);
});

test("a speck of dust is not", () => {
  const movement = new Movement();
  moving(movement, Array(30).fill(picture()));
  assert.equal(movement.seen(picture({ changed: 2 }), 30 * FRAME_MS), false);
});

test("noise of a camera in the dark is learned, and is no movement", () => {
  const random = noise(7);
  const movement = new Movement();
  const dark = () => Array.from({ length: 60 }, () => picture({ grain: 4, random }));
  assert.ok(moving(movement, dark()).includes(true), "it has to be learned first");
  assert.deepEqual(new Set(moving(movement, dark(), 60 * FRAME_MS)), new Set([false]));
  assert.equal(movement.seen(picture({ left: 22, grain: 4, random }), 120 * FRAME_MS), true, "a turn still is");
});

test("what moves all the time is not learned as noise", () => {
  const pictures = Array.from({ length: 300 }, (_, index) => picture({ left: 10 + (index % 30) }));
  assert.deepEqual(new Set(moving(new Movement(), pictures)), new Set([true]));
});

test("a canvas that may not be read says nothing, so it counts as movement", () => {
  const blank = Array(30).fill(new Uint8ClampedArray(4 * COLUMNS * ROWS).fill(255));
  assert.deepEqual(new Set(moving(new Movement(), blank)), new Set([true]));
});

test("a light that slowly changes is no movement", () => {
  const movement = new Movement();
  moving(movement, Array(30).fill(picture()));
  const dawn = Array.from({ length: 60 }, (_, index) => picture().map((value) => value + index));
  assert.deepEqual(new Set(moving(movement, dawn, 30 * FRAME_MS)), new Set([false]));
});
