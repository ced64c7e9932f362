"use strict";

/**
 * Follows every RTCPeerConnection from its construction on: passes its receivers to the tap and its data channels to the
 * listener. To the page RTCPeerConnection looks unchanged, but gives no access to encoded audio.
 */
class Connections {
  /** Methods after which a connection may have new receivers. */
  static #METHODS = ["addTransceiver", "addTrack", "createOffer", "setLocalDescription", "setRemoteDescription"];

  #tap;
  #channels;
  #events;
  #videoTracks;
  /** @type {WeakMap<RTCPeerConnection, number>} */
  #numbers = new KeptWeakMap();
  #getReceivers = keptMethod(RTCPeerConnection.prototype, "getReceivers");
  #connectionState = keptGetter(RTCPeerConnection.prototype, "connectionState");
  #iceState = keptGetter(RTCPeerConnection.prototype, "iceConnectionState");
  #signalingState = keptGetter(RTCPeerConnection.prototype, "signalingState");
  #TrackEvent = RTCTrackEvent;
  #receiver = keptGetter(RTCTrackEvent.prototype, "receiver");
  #ChannelEvent = RTCDataChannelEvent;
  #channel = keptGetter(RTCDataChannelEvent.prototype, "channel");
  #opened = 0;
  /** The last state of each connection that was reported. @type {Map<number, string>} */
  #states = new KeptMap();
  /** @type {Set<number>} */
  #closed = new KeptSet();

  /**
   * @param {Tap} tap
   * @param {DataChannels} channels
   * @param {PageEvents} events
   * @param {VideoTracks} [videoTracks] where the job asks for video
   */
  constructor(tap, channels, events, videoTracks) {
    this.#videoTracks = videoTracks;
    this.#tap = tap;
    this.#channels = channels;
    this.#events = events;
  }

  install() {
    this.#removeEncodedStreams();
    this.#hookConstructor();
    this.#hookSetConfiguration();
    const prototype = RTCPeerConnection.prototype;
    for (const name of Connections.#METHODS) {
      observeMethod(
        prototype,
        name,
        (connection, result, args) => {
          this.#adoptAll(connection, name);
          const described = name === "setRemoteDescription" ? this.#videoTracks : undefined;
          if (described) this.#events.guard("VideoTracks", () => described.describe(connection, args[0]));
          void whenFulfilled(result, () => {
            this.#events.guard(name, () => this.#adoptAll(connection, name));
            if (described) this.#events.guard("VideoTracks", () => described.check(connection));
          });
        },
        this.#events,
      );
    }
    observeMethod(
      prototype,
      "createDataChannel",
      (connection, channel) => this.#channels.listen(channel, this.#number(connection)),
      this.#events,
    );
    observeMethod(prototype, "close", (connection) => this.#close(connection), this.#events);
  }

  /** Where createEncodedStreams exists, Meet mixes the audio itself; that mix has neither receivers nor sources. */
  #removeEncodedStreams() {
    for (const prototype of [RTCRtpReceiver.prototype, RTCRtpSender.prototype]) {
      Reflect.deleteProperty(prototype, "createEncodedStreams");
    }
  }

  #hookConstructor() {
    const native = window.RTCPeerConnection;
    /** @type {typeof RTCPeerConnection} */
    const hooked = new Proxy(
      native,
      plain({
        construct: (/** @type {any} */ target, /** @type {any[]} */ args, /** @type {any} */ newTarget) => {
          if (args.length) args[0] = Connections.#withoutEncodedStreams(args[0]);
          const connection = construct(target, args, newTarget === hooked ? target : newTarget);
          this.#events.guard("RTCPeerConnection", () => this.#open(connection));
          return connection;
        },
      }),
    );
    /** @type {[object, string][]} */
    const places = [
      [native.prototype, "constructor"],
      [window, "RTCPeerConnection"],
      [window, "webkitRTCPeerConnection"],
    ];
    for (const [owner, name] of places) {
      const descriptor = Object.getOwnPropertyDescriptor(owner, name);
      if (descriptor) Object.defineProperty(owner, name, { ...descriptor, value: hooked });
    }
  }

  #hookSetConfiguration() {
    const prototype = RTCPeerConnection.prototype;
    const native = prototype.setConfiguration;
    prototype.setConfiguration = new Proxy(
      native,
      plain({
        apply(/** @type {any} */ target, /** @type {any} */ self, /** @type {any[]} */ args) {
          if (args.length) args[0] = Connections.#withoutEncodedStreams(args[0]);
          return apply(target, self, args);
        },
      }),
    );
  }

  /**
   * The page's configuration, without encodedInsertableStreams; all else is read from the page's own object.
   * @param {unknown} configuration
   */
  static #withoutEncodedStreams(configuration) {
    if (typeof configuration !== "object" || configuration === null) return configuration;
    return kept.createObject(configuration, plain({ encodedInsertableStreams: plain({ value: undefined }) }));
  }

  /** @param {RTCPeerConnection} connection */
  #open(connection) {
    const number = this.#number(connection);
    kept.addListener(connection, "track", (/** @type {Event} */ event) => {
      if (!kept.isInstance(this.#TrackEvent, event)) return;
      this.#events.guard("track", () => this.#tap.adopt(this.#receiver(event), number, "track"));
      this.#events.guard("VideoTracks", () => this.#videoTracks?.take(connection, event));
    });
    kept.addListener(connection, "datachannel", (/** @type {Event} */ event) => {
      if (!kept.isInstance(this.#ChannelEvent, event)) return;
      this.#events.guard("datachannel", () => this.#channels.listen(this.#channel(event), number));
    });
    const report = () => this.#events.guard("connectionstatechange", () => this.#reportState(connection));
    kept.addListener(connection, "connectionstatechange", report);
    kept.addListener(connection, "iceconnectionstatechange", report);
  }

  /**
   * A connection that failed is kept: an ICE restart can bring it back.
   * @param {RTCPeerConnection} connection
   */
  #reportState(connection) {
    const number = this.#number(connection);
    const fields = { connection: number, state: this.#connectionState(connection), ice: this.#iceState(connection) };
    const reading = `${fields.state} ${fields.ice}`;
    if (reading !== this.#states.get(number)) {
      this.#states.set(number, reading);
      this.#events.add("connection_state_changed", fields);
    }
    if (fields.state === "closed") this.#close(connection);
  }

  /** @param {RTCPeerConnection} connection */
  #number(connection) {
    const known = this.#numbers.get(connection);
    if (known !== undefined) return known;
    const number = this.#opened++;
    this.#numbers.set(connection, number);
    this.#events.add("connection_opened", { connection: number });
    return number;
  }

  /**
   * @param {RTCPeerConnection} connection
   * @param {string} via
   */
  #adoptAll(connection, via) {
    if (this.#signalingState(connection) === "closed") return;
    const receivers = this.#getReceivers(connection);
    for (let index = 0; index < receivers.length; index += 1) {
      this.#tap.adopt(receivers[index], this.#number(connection), via);
    }
  }

  /** @param {RTCPeerConnection} connection */
  #close(connection) {
    const number = this.#number(connection);
    if (this.#closed.has(number)) return;
    this.#closed.add(number);
    this.#states.delete(number);
    this.#tap.release(number);
    this.#events.add("connection_closed", { connection: number });
  }
}
