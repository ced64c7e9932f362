"use strict";

/**
 * Writes frames of the shape of FrameBatch in worker/tape/events.py: [receiver, ssrc, [csrc, …], sequence, timestamp, payload type,
 * MIME type, audio level | nil, arrival, captured | nil, payload].
 */
class FrameBatch extends MessagePackBatch {
  /** Bytes of a frame beside MIME type and payload: integers, doubles, their type bytes and up to 15 CSRCs (RFC 3550 §5.1). */
  static FRAME_OVERHEAD_BYTES = 160;

  /**
   * Adds a frame. Must be called before the frame is passed on, which empties it.
   * @param {number} receiver
   * @param {RTCEncodedAudioFrame} frame
   * @param {number} now milliseconds from the origin, for a frame without a receive time
   */
  append(receiver, frame, now) {
    const metadata = frame.getMetadata();
    const payload = new Uint8Array(frame.data);
    const mimeType = this.encoded(metadata.mimeType ?? "");
    const csrcs = metadata.contributingSources ?? [];
    this.begin(11, FrameBatch.FRAME_OVERHEAD_BYTES + mimeType.length + payload.length);
    this.uint(receiver);
    this.uint(metadata.synchronizationSource ?? 0);
    this.array(csrcs.length);
    for (const csrc of csrcs) this.uint(csrc);
    this.uint((metadata.sequenceNumber ?? 0) & 0xffff);
    this.uint(metadata.rtpTimestamp ?? 0);
    this.uint(metadata.payloadType ?? 0);
    this.text(mimeType);
    this.doubleOrNil(metadata.audioLevel);
    this.timeOrNil(metadata.receiveTime ?? now);
    this.timeOrNil(metadata.captureTime);
    this.binary(payload);
  }
}
