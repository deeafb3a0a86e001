/** What a page with a build step, or a module of its own, imports. See `client/focus-client.js`. */
export { CALIBRATION_POINTS, DOT_MS } from "./client/calibration.js";
export { FocusClient } from "./client/focus-client.js";
export { FocusError } from "./client/focus-error.js";
/** For this server's own pages. */
export { Camera } from "./client/camera.js";
export { FocusServer } from "./client/focus-server.js";
