/**
 * `window.WebcamWebRTC`: the class that a page written for `WebcamWebSocket` uses instead. A plain script:
 *
 *   <script src="https://focus.example/static/webcam-webrtc.js"></script>
 *   <script>
 *     const webcam = new WebcamWebRTC({
 *       token: "<?= $token ?>",                       // new: who the learner is, signed by the platform
 *       onTrackingUpdate: (data) => show(data.is_focused, data.gaze_direction, data.metrics),
 *       onConnectionChange: (connected, state) => {}, // once a change; state: live, reconnecting or stopped
 *       onError: ({ type, message }) => {},           // CAMERA_PERMISSION_DENIED, NO_CAMERA, CAMERA_ERROR, …
 *     });
 *     await webcam.initialize(userId, moduleId, sectionId); // true once updates are on their way
 *   </script>
 */
(() => {
  const modules = new URL(".", /** @type {HTMLScriptElement} */ (document.currentScript).src);
  const ownServer = new URL("..", modules);

  class WebcamWebRTC {
    #options;
    /** @type {import("./client/focus-client.js").FocusClient | null} */
    #client = null;

    /**
     * @param {object} options
     * @param {string | ((learner: object) => string | Promise<string>)} options.token a JWT for this learner and
     *   lesson, or a function of `{userId, moduleId, sectionId}` that fetches one, for each connection
     * @param {(update: object) => void} [options.onTrackingUpdate] the old payload, with more fields. While nothing is
     *   known (no usable picture, or paused) it has no `is_focused`, and `gaze_direction` and
     *   `metrics.current_state` are `unknown`.
     * @param {(connected: boolean, state: string) => void} [options.onConnectionChange] called when `connected` has
     *   changed: for the first time with true
     * @param {(error: {type: string, message: string}) => void} [options.onError]
     * @param {string} [options.server] by default the one that this script came from
     * @param {Date | string} [options.consentAt] when the learner agreed; stored with the run
     */
    constructor(options = /** @type {any} */ ({})) {
      this.#options = options;
    }

    /** Whether updates are coming. */
    get isConnected() {
      return this.#client?.state === "live";
    }

    get isTracking() {
      return this.isConnected && !this.#client?.paused;
    }

    /** What the camera sees, for a preview: `video.srcObject = webcam.stream`. @returns {MediaStream | null} */
    get stream() {
      return this.#client?.stream ?? null;
    }

    /**
     * Opens the camera and connects. The token says who the learner is; the ids are handed to a token function.
     * @param {number} userId
     * @param {number} moduleId
     * @param {number | null} sectionId
     * @returns {Promise<boolean>} false where `onError` has been told why not
     */
    async initialize(userId, moduleId, sectionId = null) {
      await this.disconnect();
      let client = null;
      try {
        client = await this.#newClient({ userId, moduleId, sectionId });
        this.#client = client;
        await client.start();
        return true;
      } catch (error) {
        if (client === this.#client) this.#failed(error);
        await client?.stop();
        return false;
      }
    }

    pause() {
      this.#client?.pause();
    }

    resume() {
      this.#client?.resume();
    }

    /** Turns the camera off and ends the run. */
    async disconnect() {
      const client = this.#client;
      this.#client = null;
      await client?.stop();
    }

    /** @param {{userId: number, moduleId: number, sectionId: number | null}} learner */
    async #newClient(learner) {
      /** @type {typeof import("./focus-client.js")} */
      const { FocusClient } = await import(new URL("focus-client.js", modules).href);
      const { token, server = ownServer, consentAt } = this.#options;
      const client = new FocusClient({
        server,
        consentAt,
        token: typeof token === "function" ? () => token(learner) : token,
      });
      const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ told) =>
        client.addEventListener(type, (event) => told(/** @type {CustomEvent} */ (event).detail));
      on("update", (update) => this.#options.onTrackingUpdate?.(oldPayload(update)));
      on("error", (error) => this.#failed(error));
      let connected = false;
      on("statechange", (state) => {
        if (connected === (state === "live")) return;
        connected = !connected;
        this.#options.onConnectionChange?.(connected, state);
      });
      return client;
    }

    /** @param {any} error a FocusError, or what a script that does not load throws */
    #failed({ type = "CONNECTION_ERROR", message }) {
      this.#options.onError?.({ type, message });
    }
  }

  /**
   * A page that tests `is_focused !== undefined` would show unknown time as "unfocused" if it were false.
   * @param {any} update
   */
  function oldPayload(update) {
    if (update.state !== "unknown") return update;
    const { is_focused, ...known } = update;
    return { ...known, gaze_direction: "unknown" };
  }

  Object.assign(window, { WebcamWebRTC });
})();
