/** Opens a WebSocket to a server on this machine, as a bot does that sends what its script hears to its own process. */

window.addEventListener("DOMContentLoaded", () => {
  if (window !== window.top || !window.foreignPort) return;
  const socket = new WebSocket(`ws://localhost:${window.foreignPort}`);
  socket.addEventListener("open", () => {
    window.foreign.localSocket = "open";
  });
  socket.addEventListener("error", () => {
    window.foreign.localSocket = "refused";
  });
});
