/** So many stand apart from each other on a phone too. */
const MOST_APART = 60;

/**
 * A mark for each learner, in the language of the strips: full height is turned to the screen, half is elsewhere, hatched
 * is unknown. Seen from the back of a room.
 * @param {HTMLElement} row
 * @param {{focused: number, unfocused: number, unknown: number}} counts
 */
export function drawUnits(row, counts) {
  /** @type {("focused" | "unfocused" | "unknown")[]} */
  const order = ["focused", "unfocused", "unknown"];
  const states = order.flatMap((state) => Array(counts[state]).fill(state));
  while (row.childElementCount < states.length) row.append(document.createElement("span"));
  while (row.childElementCount > states.length) row.lastElementChild?.remove();
  row.classList.toggle("dense", states.length > MOST_APART);
  states.forEach((state, index) => {
    const mark = /** @type {HTMLElement} */ (row.children[index]);
    if (mark.dataset.state !== state) mark.dataset.state = state;
  });
}
