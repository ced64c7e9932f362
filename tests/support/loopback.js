"use strict";
// The page's script: it calls itself through two peer connections, `a` talks and `b` listens.

/** Every `track` event's receiver, every data-channel message, in order. */
const heard = { receivers: [], messages: [] };
let a, b;

function tone(frequency) {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency });
  const destination = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(destination);
  oscillator.start();
  return destination.stream.getAudioTracks()[0];
}

function picture() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  setInterval(() => {
    context.fillStyle = `hsl(${performance.now() % 360} 50% 50%)`;
    context.fillRect(0, 0, 100, 100);
  }, 40);
  return canvas.captureStream(25).getVideoTracks()[0];
}

function connect(configuration) {
  a = new RTCPeerConnection();
  b = new RTCPeerConnection(configuration);
  a.onicecandidate = ({ candidate }) => b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => a.addIceCandidate(candidate);
  b.ontrack = ({ receiver, track }) => {
    heard.receivers.push(receiver);
    const audio = new Audio();
    audio.autoplay = true;
    audio.srcObject = new MediaStream([track]);
    document.body.append(audio);
  };
  b.ondatachannel = ({ channel }) => hear(channel);
}

function hear(channel) {
  channel.addEventListener("message", ({ data }) => heard.messages.push([channel.label, data.constructor.name]));
}

async function negotiate(from, to) {
  await from.setLocalDescription();
  await to.setRemoteDescription(from.localDescription);
  await to.setLocalDescription();
  await from.setRemoteDescription(to.localDescription);
}

/** Media by a's offer: setRemoteDescription creates b's receivers. */
async function listenByOffer(...tracks) {
  connect();
  for (const track of tracks) a.addTrack(track);
  await negotiate(a, b);
}

/** Media by b's offer: `make` or createOffer creates b's receivers, before the negotiation. */
async function listenByOwnOffer(track, make, options) {
  connect();
  make(b);
  await b.setLocalDescription(await b.createOffer(options));
  await a.setRemoteDescription(b.localDescription);
  a.addTrack(track);
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription);
}

async function inbound(receiver) {
  const report = await receiver.getStats();
  return [...report.values()].find(({ type }) => type === "inbound-rtp") ?? {};
}
