"use strict";
// Both ends of a call: the page that shows nine pictures, and the page that watches them.

let connection;

/** A picture of 640 × 360 that moves as much as a person does: a plain background, a face, some noise. */
function picture() {
  const canvas = document.createElement("canvas");
  canvas.width = 640;
  canvas.height = 360;
  const context = canvas.getContext("2d");
  setInterval(() => {
    const t = performance.now() / 1000;
    context.fillStyle = "#456";
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = "#ca8";
    context.beginPath();
    context.ellipse(320 + 40 * Math.sin(t), 180 + 15 * Math.cos(1.7 * t), 90, 120, 0.2 * Math.sin(t), 0, 7);
    context.fill();
    for (let n = 0; n < 60; n += 1) {
      context.fillStyle = `hsl(${(n * 37 + t * 50) % 360} 30% 50%)`;
      context.fillRect(250 + ((n * 53 + 30 * Math.sin(t + n)) % 150), 90 + ((n * 29) % 190), 12, 9);
    }
  }, 1000 / 15);
  return canvas.captureStream(15).getVideoTracks()[0];
}

async function gathered() {
  while (connection.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 50));
  return connection.localDescription.sdp;
}

async function offer(count, mimeType) {
  connection = new RTCPeerConnection();
  const codecs = RTCRtpSender.getCapabilities("video").codecs.filter((codec) => codec.mimeType === mimeType);
  const track = picture();
  for (let n = 0; n < count; n += 1) {
    const layers = mimeType === "video/VP9" ? { scalabilityMode: "L1T3" } : {};
    const sendEncodings = [{ maxBitrate: 400_000, ...layers }];
    const stream = new MediaStream();
    connection.addTransceiver(track, { direction: "sendonly", sendEncodings, streams: [stream] }).setCodecPreferences(codecs);
  }
  connection.addTransceiver("audio", { direction: "sendonly" });
  await connection.setLocalDescription();
  return gathered();
}

async function accept(sdp) {
  await connection.setRemoteDescription({ type: "answer", sdp });
}

/** Watches as `shown` says: drawn, small, hidden, invisible, detached or disabled. */
async function answer(sdp, shown) {
  connection = new RTCPeerConnection();
  connection.ontrack = ({ track }) => {
    if (shown === "disabled") track.enabled = false;
    if (shown === "detached" || track.kind !== "video") return;
    const video = document.createElement("video");
    video.autoplay = video.muted = true;
    video.width = shown === "small" ? 64 : 320;
    if (shown === "hidden") video.style.display = "none";
    if (shown === "invisible") video.style.visibility = "hidden";
    video.srcObject = new MediaStream([track]);
    document.body.append(video);
  };
  await connection.setRemoteDescription({ type: "offer", sdp });
  await connection.setLocalDescription();
  return gathered();
}

async function totals() {
  const sum = {};
  for (const entry of (await connection.getStats()).values()) {
    if (entry.type !== "inbound-rtp" || entry.kind !== "video") continue;
    for (const name of ["pliCount", "keyFramesDecoded", "framesDecoded", "framesDropped", "framesReceived", "bytesReceived"]) {
      sum[name] = (sum[name] ?? 0) + (entry[name] ?? 0);
    }
  }
  return sum;
}
