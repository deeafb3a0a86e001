// Standard input: pictures of COLUMNS × ROWS, RGBA, 15 a second. Standard output: for each, as JSON, whether the page
// takes something to move in it.

import { readFileSync } from "node:fs";

import { COLUMNS, Movement, ROWS } from "../static/client/movement.js";

const pictures = readFileSync(0);
const size = 4 * COLUMNS * ROWS;
const movement = new Movement();
const moving = [];
for (let start = 0; start < pictures.length; start += size) {
  const pixels = new Uint8ClampedArray(pictures.buffer, pictures.byteOffset + start, size);
  moving.push(movement.seen(pixels, (1000 * moving.length) / 15));
}
console.log(JSON.stringify(moving));
