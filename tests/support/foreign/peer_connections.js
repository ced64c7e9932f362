/** Replaces RTCPeerConnection by a function that reads each description, unguarded, and listens to tracks and data channels. */

/** @type {RTCPeerConnection[]} */
const foreignConnections = [];
/** @type {((label: string, data: ArrayBuffer) => unknown)[]} */
const foreignChannelReaders = [];

(() => {
  /** @param {RTCDataChannel} channel */
  function listen(channel) {
    const { messages } = window.foreign;
    messages[channel.label] ??= 0;
    channel.addEventListener("message", async ({ data }) => {
      messages[channel.label] += 1;
      const bytes = data instanceof Blob ? await data.arrayBuffer() : data;
      for (const reader of foreignChannelReaders) void foreignRead(channel.label, () => reader(channel.label, bytes));
    });
  }

  const Original = window.RTCPeerConnection;
  /** @param {RTCConfiguration} [configuration] */
  function wrapped(configuration) {
    const connection = new Original(configuration);
    foreignConnections.push(connection);
    for (const set of /** @type {const} */ (["setLocalDescription", "setRemoteDescription"])) {
      const original = connection[set].bind(connection);
      connection[set] = async (/** @type {any} */ description) => {
        window.foreign.descriptions.push({ set, type: description.type, sdp: description.sdp.replace(/\r/g, "") });
        return original(description);
      };
    }
    const create = connection.createDataChannel.bind(connection);
    connection.createDataChannel = (label, options) => {
      const channel = create(label, options);
      listen(channel);
      return channel;
    };
    connection.addEventListener("datachannel", ({ channel }) => listen(channel));
    connection.addEventListener("track", ({ track, streams }) => {
      window.foreign.tracks.push({ kind: track.kind, id: track.id, streams: streams.map(({ id }) => id) });
    });
    return connection;
  }
  wrapped.prototype = Original.prototype;
  window.RTCPeerConnection = /** @type {any} */ (wrapped);
})();
