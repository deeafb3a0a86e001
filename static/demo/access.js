import { FocusError } from "../focus-client.js";

/**
 * How the server's own pages are let in.
 *
 * @typedef {"learner" | "teacher"} Role
 *
 * @typedef {object} Claims what a token says of its bearer. Only the server checks whether that is true.
 * @property {number} userId
 * @property {number[]} modules
 * @property {Role} role
 *
 * @typedef {object} Access
 * @property {boolean} demo whether this server runs in demo mode
 * @property {() => string | Promise<string>} token for each connection
 */

/** In sessionStorage: for this tab, until it is closed. Never a cookie: nothing sends it anywhere by itself. */
const TOKEN = "rtc-token";
const DEMO_USER = "rtc-demo-user";

// A token that is put into the address of a page that is open already: the browser loads nothing for that.
globalThis.addEventListener("hashchange", () => tokenInAddress() && location.reload());

/**
 * Takes the token from the address's fragment (`/#token=…`), which browsers send to no server, and removes it from there.
 * The tab keeps it for the next page. In demo mode the server makes one.
 * @param {Role} [role] that a demo token is for
 * @returns {Promise<Access | null>} null without a token, at a server that is not in demo mode
 * @throws {FocusError} where the server cannot be asked, or refuses
 */
export async function findAccess(role = "learner") {
  const given = givenToken();
  if (given) return { demo: false, token: () => given };
  const known = role === "learner" ? Number(recall(DEMO_USER)) || undefined : undefined;
  const first = await demoToken(role, known);
  if (!first) return null;
  if (role === "learner") keep(DEMO_USER, String(first.user_id));
  // Each tab is a learner of its own. It has to be the same one when it connects again, and on the next page.
  const again = async () => {
    const next = await demoToken(role, first.user_id);
    if (!next) throw new FocusError("TOKEN_ERROR", "The server has left demo mode.");
    return next.token;
  };
  return { demo: true, token: again };
}

/** @param {string} token @returns {Claims | null} null where it cannot be read */
export function claimsOf(token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
    const modules = new Set([claims.module_id, ...(Array.isArray(claims.modules) ? claims.modules : [])]);
    return { userId: Number(claims.sub), modules: [...modules], role: claims.role === "teacher" ? "teacher" : "learner" };
  } catch {
    return null;
  }
}

/** The token that this tab has was refused. */
export function forgetToken() {
  keep(TOKEN, "");
}

/** @returns {string | null} */
function givenToken() {
  const given = tokenInAddress();
  if (!given) return recall(TOKEN);
  keep(TOKEN, given);
  history.replaceState(history.state, "", location.pathname + location.search);
  return given;
}

/** @returns {string | null} */
function tokenInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

/** @param {string} name @param {string} value */
function keep(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // The browser allows no storage: the next page asks again.
  }
}

/** @param {string} name @returns {string | null} */
function recall(name) {
  try {
    return sessionStorage.getItem(name) || null;
  } catch {
    return null;
  }
}

/**
 * @param {Role} role
 * @param {number} [userId] by default somebody who has not been here before
 * @returns {Promise<{token: string, user_id: number} | null>} null outside demo mode
 */
async function demoToken(role, userId) {
  const body = JSON.stringify({ role, user_id: userId });
  // From the root: pages are at different depths.
  const options = { method: "POST", body, headers: { "Content-Type": "application/json" } };
  const response = await fetch(new URL("../../demo/token", import.meta.url), options).catch((cause) => {
    throw FocusError.connection("The server could not be reached.", cause);
  });
  if (response.status === 404) return null;
  if (!response.ok) throw await FocusError.fromResponse(response);
  return response.json();
}
