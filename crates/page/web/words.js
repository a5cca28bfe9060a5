// What the page says of states and errors.

/** How a state of the link looks: idle, busy, good or bad. */
const TONES = {
  "no-ip": "bad", parked: "good", "back-off": "bad", connecting: "busy", open: "good", closing: "busy", finished: "idle",
};

export function toneOf(event) {
  if (event.type === "uart") return event.name === "open" ? "good" : "bad";
  return TONES[event.name] ?? "idle";
}

/** A first letter in upper case, for the beginning of a line. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Why `requestPort` gave nothing; an empty text if the user just closed the dialog. */
export function whyNoPort(error) {
  if (error.name === "NotFoundError") return "";
  if (error.name === "SecurityError" || error.name === "NotAllowedError") {
    return "This page may not use serial ports: a policy of the browser or of the site forbids it. The demo device works.";
  }
  return `The browser gave no port: ${error.message}`;
}

/** Why there is no Web Serial here; an empty text if there is. */
export function whyNoSerial() {
  if ("serial" in navigator) return "";
  if (!isSecureContext) return "Serial ports need https or localhost: this page came over plain http from elsewhere. The demo device works.";
  return "This browser has no Web Serial. Chrome, Edge and Opera on a computer have it; the demo device works everywhere.";
}

/** Words for an error that ended a session. */
export function whyEnded(error) {
  const text = error?.message ?? String(error);
  return sentence(text || "it ended without a reason");
}

export const NO_TOKEN = `This page was opened without its token, so its relay would refuse it.
Open the address that the program printed: it ends in #token=…`;

/** Seconds as “42 s”, “3 min 5 s”, “2 h 10 min”. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
