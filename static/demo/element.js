/**
 * An element that the page has for certain.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] such as HTMLButtonElement
 * @returns {T}
 */
export function element(id, kind = /** @type {any} */ (HTMLElement)) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} with the id ${id}.`);
  return found;
}
