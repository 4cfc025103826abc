// The live stream: one socket, one position (`held`), and the plain truth about whether what we see is current.
//
// live         a frame or pong within the last 8 s, no gap
// connecting   cut for less than 5 s
// catching_up  connected, what was missed is still arriving
// down         nothing heard for 8 s, or cut for 5 s: the page must say so
const PING_MS = 3000;
const SILENCE_MS = 8000;
const GRACE_MS = 5000;
const LONGEST_WAIT_MS = 5000;

export class Stream {
  /** `on`: {hello(frame), alert(frame), provisional(frame), state(name), degraded()} */
  constructor(session, on) {
    this.session = session;
    this.on = on;
    this.state = "off";
    this.stop();
  }

  stop() {
    this.drop();
    this.wanted = false;
    this.held = null; // seq of the last frame we hold; null: start from a snapshot alone
    this.gapAt = null;
    this.attempt = 0;
    this.retryAt = this.cutAt = Infinity;
    this.heard = this.offset = 0;
    this.build = null;
    this.degraded = false; // the server's word that its database does not answer
    this.show("off");
  }

  start() {
    this.wanted = true;
    this.cutAt = Date.now();
    this.connect();
  }

  /** The server's clock, so that a wrong PC clock does not bend an alert's age. */
  now() { return Date.now() + this.offset; }

  drop() {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null; // a dying socket has no say any more
    socket.close();
  }

  connect() {
    this.drop();
    this.retryAt = Infinity;
    this.replayTo = null;
    this.asked = this.held;
    this.heardSocket = Date.now();
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`);
    this.socket = socket;
    socket.onopen = () => this.send({ token: this.session.access, ...(this.asked === null ? {} : { after: this.asked }) });
    socket.onmessage = (message) => this.receive(JSON.parse(message.data));
    socket.onclose = (event) => this.closed(event.code, event.reason);
  }

  send(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  renew() { this.send({ token: this.session.access }); }

  receive(frame) {
    this.heardSocket = this.heard = Date.now();
    if (frame.server_time) {
      this.offset = Date.parse(frame.server_time) - Date.now();
      const before = this.degraded;
      this.degraded = frame.degraded === true;
      if (before !== this.degraded) this.on.degraded();
    }
    if (frame.type === "hello") this.hello(frame);
    else if (frame.type === "alert.provisional") this.on.provisional(frame);
    else if (frame.type.startsWith("alert.") && Number.isInteger(frame.seq)) this.alert(frame);
    else if ((frame.type === "pong" || frame.type === "heartbeat") && frame.seq !== this.held) this.gap(); // it sent what we never got
    this.settle();
  }

  hello(frame) {
    this.attempt = 0;
    this.cutAt = Infinity;
    this.build = frame.build;
    const resumed = this.asked !== null && !frame.reset;
    if (!resumed) this.held = frame.seq;
    this.on.hello(frame, resumed);
  }

  alert(frame) {
    if (frame.seq <= this.held) return; // sent twice
    if (frame.prev !== this.held) return this.gap();
    this.held = frame.seq;
    this.gapAt = null;
    this.on.alert(frame);
  }

  /** Frames are missing: ask for them again from where we stand; if that does not close it, from a snapshot. */
  gap() {
    if (this.gapAt === this.held) this.held = null;
    this.gapAt = this.held;
    this.show("catching_up");
    this.connect();
  }

  closed(code, reason) {
    this.socket = null;
    if (!this.wanted) return;
    if (this.cutAt === Infinity) this.cutAt = Date.now();
    if (code === 4403) this.held = null; // other rows are ours now: only a fresh snapshot is right
    if (code === 4429) this.held = afterOf(reason) ?? this.held;
    if (code === 4401) this.renewThenConnect();
    else this.later();
    this.settle();
  }

  renewThenConnect() {
    this.session.refresh().then((signedIn) => { if (signedIn && this.wanted) this.later(); }, () => this.later());
  }

  // Jitter: a hundred consoles that were cut together must not come back together.
  later() {
    const wait = Math.min(LONGEST_WAIT_MS, 400 * 2 ** this.attempt++);
    this.retryAt = Date.now() + wait * (0.5 + Math.random() / 2);
  }

  tick() {
    if (!this.wanted) return;
    const now = Date.now();
    if (this.socket && now - this.heardSocket > SILENCE_MS) {
      this.drop();
      if (this.cutAt === Infinity) this.cutAt = this.heard;
      this.later();
    }
    if (this.socket && now - this.heardSocket > PING_MS) this.send({ type: "ping" });
    if (now >= this.retryAt) this.connect();
    this.settle();
  }

  settle() {
    const now = Date.now();
    if (!this.wanted) return;
    if (this.cutAt === Infinity && this.socket) return this.show(now - this.heard > SILENCE_MS ? "down" : "live");
    this.show(now - this.cutAt > GRACE_MS || now - this.heard > SILENCE_MS ? "down" : "connecting");
  }

  show(state) {
    if (state === this.state) return;
    this.state = state;
    this.on.state(state);
  }
}

function afterOf(reason) {
  try {
    return JSON.parse(reason).after ?? null;
  } catch {
    return null; // no position in the reason: keep ours
  }
}
