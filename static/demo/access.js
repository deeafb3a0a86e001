import { FocusError } from "../focus-client.js";

/**
 * How the server's own pages are let in.
 *
 * @typedef {object} Access
 * @property {boolean} demo whether this server runs in demo mode
 * @property {() => string | Promise<string>} token for each connection
 */

/**
 * Takes the token from the address's fragment (`/#token=…`), which browsers send to no server. In demo mode the server
 * makes one.
 * @returns {Promise<Access | null>} null without a token, at a server that is not in demo mode
 * @throws {FocusError} where the server cannot be asked, or refuses
 */
export async function findAccess() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) return { demo: false, token: () => given };
  const first = await demoToken();
  if (!first) return null;
  // Each page is a learner of its own. It has to be the same one when it connects again.
  const again = async () => {
    const next = await demoToken(first.user_id);
    if (!next) throw new FocusError("TOKEN_ERROR", "The server has left demo mode.");
    return next.token;
  };
  return { demo: true, token: again };
}

/**
 * @param {number} [userId] by default somebody who has not been here before
 * @returns {Promise<{token: string, user_id: number} | null>} null outside demo mode
 */
async function demoToken(userId) {
  const body = userId && JSON.stringify({ user_id: userId });
  const options = body && { body, headers: { "Content-Type": "application/json" } };
  const response = await fetch("demo/token", { method: "POST", ...options }).catch((cause) => {
    throw FocusError.connection("The server could not be reached.", cause);
  });
  if (response.status === 404) return null;
  if (!response.ok) throw await FocusError.fromResponse(response);
  return response.json();
}
