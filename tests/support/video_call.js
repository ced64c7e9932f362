"use strict";
// A page that sends itself video, one connection for each codec, and keeps the frames as a script transform gets them.

/** A track of a canvas whose colour changes with each frame, and what sets the canvas's size. */
function drawn() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  let number = 0;
  setInterval(() => {
    number += 1;
    context.fillStyle = `hsl(${(number * 37) % 360} 60% 50%)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "white";
    context.fillRect((number * 7) % canvas.width, 10, 20, 20);
  }, 50);
  const resize = (width, height) => Object.assign(canvas, { width, height });
  resize(320, 180);
  return { track: canvas.captureStream().getVideoTracks()[0], resize };
}

const WORKER = `onrtctransform = ({ transformer: { readable, writable, options } }) => {
  readable.pipeThrough(new TransformStream({
    transform(frame, controller) {
      const { rtpTimestamp, mimeType, width, height } = frame.getMetadata();
      options.port.postMessage({
        timestamp: rtpTimestamp, mimeType, key: frame.type === "key", width, height,
        arrival: performance.timeOrigin + performance.now(), bytes: new Uint8Array(frame.data),
      });
      controller.enqueue(frame);
    },
  })).pipeTo(writable);
};`;

/** Sends video of a codec (as RTCRtpSender.getCapabilities says it) for some seconds; the size changes after half of them. */
async function frames_of(mimeType, seconds) {
  const sender = new RTCPeerConnection();
  const receiver = new RTCPeerConnection();
  sender.onicecandidate = ({ candidate }) => receiver.addIceCandidate(candidate);
  receiver.onicecandidate = ({ candidate }) => sender.addIceCandidate(candidate);
  const { track, resize } = drawn();
  const transceiver = sender.addTransceiver(track, { direction: "sendonly" });
  const { codecs } = RTCRtpSender.getCapabilities("video");
  transceiver.setCodecPreferences(codecs.filter((codec) => codec.mimeType === mimeType));
  const frames = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => frames.push(data);
  const worker = new Worker(URL.createObjectURL(new Blob([WORKER])));
  const shown = document.createElement("video");
  receiver.ontrack = (event) => {
    event.receiver.transform = new RTCRtpScriptTransform(worker, { port: port2 }, [port2]);
    shown.muted = true;
    shown.srcObject = new MediaStream([event.track]);
    shown.play();
  };
  await sender.setLocalDescription();
  await receiver.setRemoteDescription(sender.localDescription);
  await receiver.setLocalDescription();
  await sender.setRemoteDescription(receiver.localDescription);
  const wait = (length) => new Promise((resolve) => setTimeout(resolve, length * 1000));
  await wait(seconds / 2);
  resize(480, 270);
  await wait(seconds / 2);
  sender.close();
  receiver.close();
  worker.terminate();
  return frames.map(({ bytes, ...frame }) => ({ ...frame, payload: bytes.toBase64() }));
}
