// Talking to the sandbox: the live stream of changes, requests, and the demo's own stream.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;

/** Follow the sandbox for ever; `heard` gets lists of changes, `state` whether it is there. */
export function follow(heard, state) {
  let pause = FIRST_PAUSE;
  const connect = () => {
    const socket = new WebSocket(new URL("/_sim/live", location.href.replace(/^http/, "ws")));
    socket.onmessage = (message) => {
      pause = FIRST_PAUSE;
      heard(JSON.parse(message.data));
    };
    socket.onopen = () => state(true);
    socket.onclose = () => {
      state(false);
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
  };
  connect();
}

/** Send something; return what came back, or throw an Error with the sandbox's own sentence. */
export async function post(path, body, method = "POST") {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error("The sandbox does not answer; is it still running?");
  }
  const text = await answer.text();
  const told = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(told?.message ?? `The sandbox answered ${answer.status}.`);
  return told;
}

export const sim = (what, body) => post(`/_sim/${what}`, body);

/** Say what the demo calls itself, or null where there is none. */
export async function aboutDemo() {
  const answer = await fetch("/_demo/about");
  return answer.ok ? answer.json() : null;
}

const EVENTS = ["clock", "log", "row", "bot", "effects"];

/** Follow the demo's stream for ever; the browser asks again from the last event on its own. */
export function followDemo(heard) {
  const stream = new EventSource("/_demo/stream");
  for (const name of EVENTS) stream.addEventListener(name, (event) => heard(name, JSON.parse(event.data)));
  stream.onopen = () => heard("open", null);
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => followDemo(heard), LONGEST_PAUSE);
  };
}
