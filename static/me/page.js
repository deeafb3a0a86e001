import { element } from "../demo/element.js";
import { FocusError } from "../client/focus-error.js";
import { enter, show } from "../reading/entrance.js";
import { History } from "../reading/history.js";

void open();

async function open() {
  const entrance = await enter("learner");
  if (!entrance) return;
  const { api, claims } = entrance;
  const dialog = element("erase-dialog", HTMLDialogElement);
  element("erase-panel").hidden = claims.role !== "learner";
  element("user").textContent = String(claims.userId);
  element("erase").addEventListener("click", () => dialog.showModal());
  element("erase-no").addEventListener("click", () => dialog.close());
  element("erase-yes").addEventListener("click", () => void erase(api, claims.userId));
  await new History(api, { user_id: claims.userId }).open();
}

/** @param {import("../reading/api.js").ReadApi} api @param {number} userId */
async function erase(api, userId) {
  const button = element("erase-yes", HTMLButtonElement);
  button.disabled = true;
  try {
    await api.fetch(`learners/${userId}`, {}, { method: "DELETE" });
    element("erase-dialog", HTMLDialogElement).close();
    element("erased-rest").hidden = !(await api.sessions({ user_id: userId })).length;
    show("erased");
  } catch (error) {
    const forbidden = error instanceof FocusError && error.code === "not_allowed";
    element("erase-problem").textContent = forbidden
      ? "Your school has not allowed that here. Ask your teacher or your school’s office to have it erased."
      : String(error instanceof Error ? error.message : error);
  } finally {
    button.disabled = false;
  }
}
