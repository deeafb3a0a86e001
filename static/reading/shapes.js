/**
 * A shape for each state, and a sign in it for each reason: readable without colour, and from afar.
 *
 * Turned to the screen: a full disc. Elsewhere: a diamond with where. Unknown: a dashed ring with why.
 */

const SVG = "http://www.w3.org/2000/svg";

const ASIDE = "M7.5 12h8M12.5 8.5 16 12l-3.5 3.5";
const QUESTION = "M9.6 9.7a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2 1-1.2 1.9M12 16.2v.1";
const PERSON = "M12 11.4a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4M7.8 16.8c.5-4.6 7.9-4.6 8.4 0";
/** Lines in a square of 24. @type {Record<string, string>} */
const SIGNS = {
  on_screen: "M8 12.4l2.8 2.8L16 9.6",
  on_desk: "M8 12.4l2.8 2.8L16 9.6",
  head_turned: ASIDE,
  looking_left: ASIDE,
  looking_right: ASIDE,
  looking_up: "M12 16.5v-8M8.5 12 12 8.5l3.5 3.5",
  looking_down: "M12 7.5v8M8.5 12l3.5 3.5 3.5-3.5",
  eyes_closed: "M7 10.8c2.8 3.4 7.2 3.4 10 0M9 13.2l-.9 1.6M15 13.2l.9 1.6M12 13.6v2",
  no_face: `${PERSON}M7 7l10 10`,
  paused: "M10 8.8v6.4M14 8.8v6.4",
  left: "M8.5 12h7",
};
/** @type {Record<string, string>} */
const BODIES = {
  focused: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20z",
  unfocused: "M10.6 1.4a2 2 0 0 1 2.8 0l9.2 9.2a2 2 0 0 1 0 2.8l-9.2 9.2a2 2 0 0 1-2.8 0l-9.2-9.2a2 2 0 0 1 0-2.8z",
  unknown: "M12 2.8a9.2 9.2 0 1 0 0 18.4 9.2 9.2 0 0 0 0-18.4z",
  left: "M12 2.8a9.2 9.2 0 1 0 0 18.4 9.2 9.2 0 0 0 0-18.4z",
};

/** @returns {SVGSVGElement} without a shape yet */
export function newShape() {
  const shape = document.createElementNS(SVG, "svg");
  shape.setAttribute("viewBox", "0 0 24 24");
  shape.setAttribute("class", "shape");
  shape.setAttribute("aria-hidden", "true");
  for (const part of ["body", "sign"]) {
    shape.append(document.createElementNS(SVG, "path"));
    shape.lastElementChild?.setAttribute("class", part);
  }
  return shape;
}

/** @returns {SVGSVGElement} somebody, without a state */
export function newPerson() {
  const person = newShape();
  person.setAttribute("viewBox", "6 5 12 13");
  person.setAttribute("class", "person");
  person.children[1].setAttribute("d", PERSON);
  return person;
}

/**
 * @param {SVGSVGElement} shape
 * @param {import("./api.js").FocusState | "left"} state
 * @param {string} [reason]
 */
export function setShape(shape, state, reason = "") {
  if (shape.dataset.state === state && shape.dataset.reason === reason) return;
  shape.dataset.state = state;
  shape.dataset.reason = reason;
  const [body, sign] = shape.children;
  body.setAttribute("d", BODIES[state]);
  sign.setAttribute("d", SIGNS[state === "left" ? "left" : reason] ?? (state === "focused" ? SIGNS.on_screen : QUESTION));
}
