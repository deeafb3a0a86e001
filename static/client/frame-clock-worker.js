/** Notes when each encoded frame is handed to the packetiser, and passes the frame on untouched. */
addEventListener("rtctransform", (event) => {
  const { transformer } = /** @type {any} RTCTransformEvent, which the DOM types lack */ (event);
  const clock = new TransformStream({
    transform(frame, controller) {
      controller.enqueue(frame);
      const { rtpTimestamp } = frame.getMetadata();
      self.postMessage({ rtpTimestamp, sentAt: performance.timeOrigin + performance.now() });
    },
  });
  transformer.readable.pipeThrough(clock).pipeTo(transformer.writable).catch(() => {});
});

self.postMessage("ready");
