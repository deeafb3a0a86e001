/**
 * Reads server-sent events (HTML standard, 9.2). The browser's own EventSource can send no Authorization header.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{type: string, data: string}>} a comment is an event without data: the server is still there
 */
export async function* eventsOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) yield parsed(block);
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** @param {string} block */
function parsed(block) {
  const event = { type: "message", data: "" };
  /** @type {string[]} */
  const data = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "event") event.type = value;
    if (field === "data") data.push(value);
  }
  event.data = data.join("\n");
  return event;
}
