import { element } from "../demo/element.js";
import { clock } from "../demo/words.js";
import { enter, failed, show } from "../reading/entrance.js";
import { shareOf, timeToTheSecond } from "../reading/words.js";
import { ClassView } from "./class-view.js";
import { LiveClass } from "./live-class.js";

const TOTALS_EVERY_MS = 30_000;

void open();

async function open() {
  const entrance = await enter("teacher");
  if (!entrance) return;
  const { api, claims } = entrance;
  const wanted = Number(new URLSearchParams(location.search).get("module"));
  const moduleId = claims.modules.includes(wanted) ? wanted : claims.modules[0];
  showModules(claims.modules, moduleId);
  const view = new ClassView(moduleId);
  const live = new LiveClass(api, moduleId);
  const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ told) =>
    live.addEventListener(type, (event) => told(/** @type {CustomEvent} */ (event).detail));
  on("class", (whole) => {
    if (element("class").hidden) show("class");
    view.showClass(whole);
    showNews("live", "Live");
  });
  on("totals", (totals) => view.showTotals(totals));
  on("learner", (learner) => view.showLearner(learner));
  on("left", ({ focus_session_id: id }) => view.remove(id));
  on("lost", (/** @type {Date | null} */ since) => {
    view.freeze();
    showNews("lost", since ? `No news since ${timeToTheSecond(since)}. Connecting again…` : "Connecting…");
  });
  on("error", failed);
  void live.follow();
  void showTotals(api, moduleId);
  setInterval(() => void showTotals(api, moduleId), TOTALS_EVERY_MS);
}

/** @param {"live" | "lost"} state @param {string} words */
function showNews(state, words) {
  element("class").dataset.news = state;
  element("news").dataset.state = state;
  element("news").textContent = words;
}

/** A teacher of several modules has a link to each. @param {number[]} modules @param {number} current */
function showModules(modules, current) {
  const others = element("modules");
  others.hidden = modules.length < 2;
  element("module").textContent = others.hidden ? `Module ${current}` : "Module";
  for (const id of modules) {
    const link = Object.assign(document.createElement("a"), { href: `class?module=${id}`, textContent: String(id) });
    if (id === current) link.setAttribute("aria-current", "page");
    others.append(link);
  }
}

/** Of today, by the clock of this computer. @param {import("../reading/api.js").ReadApi} api @param {number} moduleId */
async function showTotals(api, moduleId) {
  const midnight = new Date(new Date().setHours(0, 0, 0, 0)).toISOString();
  try {
    const [sum] = await api.sums({ by: "module", module_id: moduleId, from: midnight });
    element("today").hidden = !sum;
    if (!sum) return;
    element("today-share").textContent = shareOf(sum);
    element("today-focused").textContent = clock(sum.focused_s);
    element("today-unfocused").textContent = clock(sum.unfocused_s);
    element("today-unknown").textContent = clock(sum.unknown_s);
    element("today-learners").textContent = `${sum.learners} ${sum.learners === 1 ? "learner" : "learners"}`;
  } catch {
    // What is live goes on. The next round asks again.
  }
}
