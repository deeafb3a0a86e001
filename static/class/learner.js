import { enter } from "../reading/entrance.js";
import { History } from "../reading/history.js";
import { element } from "../demo/element.js";

void open();

async function open() {
  const entrance = await enter("teacher");
  if (!entrance) return;
  const userId = Number(location.pathname.split("/").at(-1));
  const wanted = Number(new URLSearchParams(location.search).get("module"));
  const moduleId = entrance.claims.modules.includes(wanted) ? wanted : entrance.claims.modules[0];
  element("module").textContent = `Module ${moduleId}`;
  element("back", HTMLAnchorElement).href = `../../class?module=${moduleId}`;
  await new History(entrance.api, { user_id: userId, module_id: moduleId }).open();
}
