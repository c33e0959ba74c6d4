// What the server tells: the runs, tags and queue as they are now. Pages listen for changes.

export const state = { runs: {}, tags: {}, folder: "", queue: null, problem: "", connected: false, loaded: false };
const listeners = new Set();

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// A page that nobody sees, such as one in another tab, does no work; it is told everything when it is seen again.
let missed = null;
function tell(message) {
  if (document.hidden) missed = { ...missed, ...message, runs: { ...(missed || {}).runs, ...message.runs }, gone: [...(missed || {}).gone || [], ...message.gone || []] };
  else listeners.forEach((listener) => listener(message));
}
document.addEventListener("visibilitychange", () => {
  const message = missed;
  missed = null;
  if (message) tell({ ...message, gone: message.gone.filter((name) => !(name in state.runs)) });
});

export function connect() {
  const events = new EventSource("api/events");
  events.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.runs && !state.connected) state.runs = {};  // the first message names all
    state.connected = true;
    if (message.runs) {
      Object.assign(state.runs, message.runs);
      for (const name of message.gone || []) delete state.runs[name];
      state.loaded = true;
    }
    for (const key of ["tags", "folder", "queue", "problem"]) if (key in message) state[key] = message[key];
    tell(message);
  };
  events.onerror = () => {
    if (state.connected || !state.loaded) {
      state.connected = false;
      tell({ lost: true });
    }
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
  window.addEventListener("pagehide", () => events.close());
}
