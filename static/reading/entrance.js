import { claimsOf, findAccess } from "../demo/access.js";
import { element } from "../demo/element.js";
import { FocusError } from "../client/focus-error.js";
import { ReadApi } from "./api.js";

/**
 * Lets the reader in, or says what to do. The page has the panels `no-access` and `problem`, and one of its own.
 * @param {import("../demo/access.js").Role} role whom the page is for
 * @returns {Promise<{api: ReadApi, claims: import("../demo/access.js").Claims, demo: boolean} | null>}
 */
export async function enter(role) {
  element("problem-retry").addEventListener("click", () => location.reload());
  try {
    const access = await findAccess(role);
    const claims = access && claimsOf(await access.token());
    if (!access || !claims || (role === "teacher" && claims.role !== "teacher")) {
      show("no-access");
      return null;
    }
    element("demo").hidden = !access.demo;
    element("links").hidden = false;
    for (const link of document.querySelectorAll("nav [data-for]")) {
      if (link instanceof HTMLElement) link.hidden = !access.demo && link.dataset.for !== claims.role;
    }
    return { api: new ReadApi(access.token), claims, demo: access.demo };
  } catch (error) {
    failed(error);
    return null;
  }
}

/** @param {unknown} error a FocusError; anything else is a bug of ours */
export function failed(error) {
  if (error instanceof FocusError && error.code.startsWith("token_")) return show("no-access");
  element("problem-title").textContent = titleOf(error);
  element("problem-text").textContent = error instanceof Error ? error.message : String(error);
  element("problem-retry").hidden = error instanceof FocusError && !error.retryable;
  show("problem");
}

/** @param {string} panel its id; the others are hidden */
export function show(panel) {
  for (const section of document.querySelectorAll("main > [data-panel]")) {
    if (section instanceof HTMLElement) section.hidden = section.id !== panel;
  }
  document.getElementById(`${panel}-title`)?.focus({ preventScroll: true });
}

/** @param {unknown} error @returns {string} */
function titleOf(error) {
  if (!(error instanceof FocusError)) return "The page has a problem";
  if (error.code === "group_too_small") return "Only sums are shown here";
  if (error.code === "not_allowed") return "This is not yours to see";
  if (error.type === "CONNECTION_ERROR") return "No connection";
  return "The server has a problem";
}
