"use strict";

/**
 * Writes frames of the shape of VideoBatch in worker/tape/events.py: [receiver, ssrc, [csrc, …], timestamp, frame id | nil,
 * spatial layer, temporal layer, key, width, height, payload type, MIME type, arrival, payload].
 */
class VideoBatch extends MessagePackBatch {
  /** Bytes of a frame beside MIME type and payload. */
  static FRAME_OVERHEAD_BYTES = 180;

  /**
   * Adds a frame. Must be called before the frame is passed on, which empties it.
   * @param {number} receiver
   * @param {RTCEncodedVideoFrame} frame
   * @param {number} now milliseconds from the origin, for a frame without a receive time
   */
  append(receiver, frame, now) {
    const metadata = frame.getMetadata();
    const payload = new Uint8Array(frame.data);
    const mimeType = this.encoded(metadata.mimeType ?? "");
    const csrcs = metadata.contributingSources ?? [];
    this.begin(14, VideoBatch.FRAME_OVERHEAD_BYTES + mimeType.length + payload.length);
    this.uint(receiver);
    this.uint(metadata.synchronizationSource ?? 0);
    this.array(csrcs.length);
    for (const csrc of csrcs) this.uint(csrc);
    this.uint(metadata.rtpTimestamp ?? 0);
    if (metadata.frameId === undefined) this.byte(0xc0);
    else this.uint(metadata.frameId & 0xffff);
    this.uint(metadata.spatialIndex ?? 0);
    this.uint(metadata.temporalIndex ?? 0);
    this.byte(frame.type === "key" ? 0xc3 : 0xc2);
    this.uint(metadata.width ?? 0);
    this.uint(metadata.height ?? 0);
    this.uint(metadata.payloadType ?? 0);
    this.text(mimeType);
    this.timeOrNil(metadata.receiveTime ?? now);
    this.binary(payload);
  }
}
