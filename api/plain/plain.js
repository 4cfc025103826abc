// The plain live page: sign-in, alerts with sound, acknowledge to close. It stays as the fallback for every other
// console, so it stands on nothing but the browser.
import { setText } from "./dom.js";
import { Panel } from "./panel.js";
import { Queue, isOver, isResolved, isWaiting } from "./queue.js";
import { Row } from "./row.js";
import { Problem, Session, Unreachable } from "./session.js";
import { Sound } from "./sound.js";
import { Stream } from "./stream.js";
import { elapsed, language, languages, said, setDictionary, setLanguage, wallTime, word } from "./words.js";

const AIM_MS = 5000; // rows stay where they are while somebody aims at them
const TYPING_MS = 30000;
const SEAT_MS = 20000;
const HOME_ZONE = "Asia/Shanghai";

const at = (id) => document.getElementById(id);
const page = Object.fromEntries(["dead", "who", "link", "sound", "now", "language", "leave", "stale", "away", "deaf", "entry",
  "desk", "counts", "fresh", "empty", "queue", "panel", "say", "tell"].map((id) => [id, at(id)]));

const rows = new Map(); // alert id -> Row
const people = new Map(); // elder id -> {name, building, time_zone} or null while asked
const shown = new Set(); // "id:presses" that the server was told a person could see
const pending = new Set(); // rows that arrived while the list stood still
let queue = new Queue();
let aimedAt = 0, inputAt = Date.now(), seatAt = 0, seatSaid = "", lost = false, drawing = false;

const session = new Session({
  language,
  renewed: () => stream.renew(),
  lost: () => { lost = true; page.entry.hidden = false; showLink(); draw(); },
});
const sound = new Sound(() => { showSound(); seat(); });
const stream = new Stream(session, {
  hello: (frame) => { queue.snapshot(frame.alerts); forgetProvisional(); askResolved(); draw(); ring(); },
  alert: onAlert,
  provisional: onProvisional,
  state: () => { showLink(); draw(); },
  degraded: showLink,
});
const desk = { me: () => session.me, now: () => stream.now(), zone, person, act, choose };
const panel = new Panel(session, desk, at("panel-title"), page.panel);

// ---------------------------------------------------------------- what arrives

function onAlert(frame) {
  const alert = frame.data;
  const before = queue.alerts.get(alert.id);
  if (frame.provisional_id) replaceProvisional(frame.provisional_id, alert.id);
  queue.put(alert);
  const again = frame.type === "alert.pressed" && (before?.presses ?? 0) < alert.presses;
  if (again || (frame.type === "alert.opened" && alert.severity === "p0" && queue.waiting().p0.length > 1)) sound.pressed();
  if (frame.type === "alert.opened") announce(alert);
  ring();
  draw();
  panel.refresh(alert);
}

function onProvisional(frame) {
  const alert = asProvisional(frame.data, frame.provisional_id);
  const before = queue.alerts.get(alert.provisional_id);
  queue.put(alert);
  if (before && before.presses < alert.presses) sound.pressed();
  if (!before) announce(alert);
  ring();
  draw();
}

/** An alert that is not stored has no id here, so that nothing asks the database about it. */
const asProvisional = (data, id) => ({ version: 0, evidence: [], ...data, id: null, provisional_id: id });

/** The stored alert takes the very row of the one that rang before: nothing jumps under the pointer. */
function replaceProvisional(from, to) {
  queue.drop(from);
  const row = rows.get(from);
  if (!row || rows.has(to)) return;
  rows.delete(from);
  rows.set(to, row);
}

function forgetProvisional() {
  for (const [id, alert] of queue.alerts) if (!alert.id) queue.drop(id); // a fresh snapshot holds what was stored
}

async function askResolved() {
  const asked = stream.held ?? 0;
  try {
    const found = [];
    let cursor = null;
    do {
      const answer = await session.call("GET", `/alerts?status=resolved&limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      found.push(...answer.items);
      cursor = answer.next_cursor;
    } while (cursor);
    queue.resolved(found, asked);
    draw();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    setText(page.tell, error.message || word("unreachable")); // the next reconnect asks again
  }
}

function announce(alert) {
  const values = { level: word(alert.severity), title: said(alert, "title"), who: person(alert) };
  setText(alert.severity === "p0" ? page.say : page.tell, word("announced", values));
}

// ---------------------------------------------------------------- what a person does

async function act(alert, action, body) {
  try {
    const answer = await session.call("POST", `/alerts/${alert.id ?? alert.provisional_id}/${action}`, body);
    const unstored = answer.stored === false;
    if (!alert.id && !unstored) replaceProvisional(alert.provisional_id, answer.id);
    queue.put(unstored ? asProvisional(answer, answer.id) : answer);
    setText(page.tell, word(unstored ? "done_unstored" : "done", { action: word(action) }));
    draw();
    if (!unstored) panel.refresh(answer);
    return null;
  } catch (error) {
    if (error instanceof Unreachable) return word("not_delivered");
    if (!(error instanceof Problem)) throw error;
    return [error.message || word("refused", { status: error.status }), ...error.fields].join(" ");
  }
}

function choose(alert, focus = false) {
  if (!alert.id) return;
  rows.forEach((row) => row.node.classList.toggle("chosen", row.alert.id === alert.id));
  panel.show(alert);
  if (focus) at("panel-title").focus();
}

async function signIn(event) {
  event.preventDefault();
  sound.arm(); // this click is the gesture browsers ask for
  const [form, button, problem] = [page.entry, page.entry.querySelector("button"), at("entry-problem")];
  const previous = session.me?.id;
  button.disabled = true;
  try {
    await session.signIn(form.elements.username.value.trim(), form.elements.password.value);
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    setText(problem, error.message || word("unreachable"));
    return;
  } finally {
    button.disabled = false;
  }
  form.elements.password.value = "";
  setText(problem, "");
  await enter(previous);
}

async function enter(previous) {
  if (previous !== session.me.id) reset();
  if (languages.includes(session.me.locale) && previous === undefined) setLanguage(session.me.locale);
  setDictionary(await session.call("GET", "/dictionary").catch(() => ({}))); // without it codes are shown as they are
  lost = false;
  page.entry.hidden = true;
  page.desk.hidden = page.leave.hidden = false;
  setText(page.who, session.me.display_name ?? session.me.username);
  translate();
  stream.stop();
  stream.start();
}

function reset() {
  queue = new Queue();
  rows.forEach((row) => row.node.remove());
  [rows, people, shown, pending].forEach((each) => each.clear());
  panel.clear();
}

async function leave() {
  stream.stop();
  await session.signOut().catch(() => null); // signed out here in any case; the server's copy runs out by itself
  location.reload();
}

// ---------------------------------------------------------------- what is shown

function zone(alert) {
  return alert.time_zone ?? people.get(alert.elder_id)?.time_zone ?? HOME_ZONE;
}

function person(alert) {
  const known = alert.elder ?? people.get(alert.elder_id);
  if (known) return nameOf(known);
  if (alert.elder_id) {
    askPerson(alert.elder_id);
    return word("loading_name");
  }
  if (alert.residents?.length) return alert.residents.map(nameOf).join(" / "); // one of those who live there
  return alert.subject?.kind === "dwelling" ? word("dwelling") : word("device", { id: alert.subject?.id ?? "" });
}

const nameOf = (elder) => [elder.name_masked ?? elder.name, elder.building, elder.elder_no && `#${elder.elder_no}`].filter(Boolean).join(" · ");

async function askPerson(id) {
  if (people.has(id)) return;
  people.set(id, null);
  try {
    people.set(id, await session.call("GET", `/elders/${id}`));
    draw();
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    setTimeout(() => people.delete(id), 5000); // asked again with a later frame
  }
}

function standsStill() {
  const now = Date.now();
  if (now - aimedAt < AIM_MS) return true;
  const focused = document.activeElement?.closest("#queue > li");
  if (!focused || focused.classList.contains("over")) return false;
  return [...rows.values()].some((row) => row.busy) || now - inputAt < TYPING_MS;
}

function draw() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => { drawing = false; render(); }, 16); // a burst of frames is drawn once
}

function render() {
  const order = queue.inOrder();
  const still = standsStill();
  const present = new Set(order.map((alert) => alert.id ?? alert.provisional_id));
  for (const [id, row] of rows) {
    if (present.has(id)) continue;
    if (still) row.node.classList.add("gone");
    else { row.node.remove(); rows.delete(id); pending.delete(id); }
  }
  for (const alert of order) {
    const id = alert.id ?? alert.provisional_id;
    const row = rows.get(id);
    if (row) row.update(alert);
    else {
      rows.set(id, new Row(desk, alert));
      page.queue.append(rows.get(id).node);
      if (still) pending.add(id);
    }
  }
  if (!still) arrange(order);
  showFresh();
  showCounts(order);
  clocks();
}

function arrange(order) {
  let next = page.queue.firstChild;
  for (const alert of order) {
    const { node } = rows.get(alert.id ?? alert.provisional_id);
    if (node === next) next = next.nextSibling;
    else page.queue.insertBefore(node, next);
  }
  pending.clear();
}

function sortNow() {
  aimedAt = 0;
  document.activeElement?.blur();
  render();
  const first = page.queue.querySelector(".waiting h3") ?? page.queue.querySelector("h3");
  if (first) {
    first.focus();
    first.scrollIntoView({ block: "center" });
  }
}

function showFresh() {
  page.fresh.hidden = pending.size === 0;
  setText(page.fresh, word("waiting_below", { n: pending.size }));
  page.fresh.classList.toggle("urgent", [...pending].some((id) => rows.get(id)?.alert.severity === "p0"));
}

function showCounts(order) {
  const live = order.filter((alert) => !isOver(alert) && !isResolved(alert));
  const mine = live.filter((alert) => alert.owner && alert.owner.id === session.me?.id).length;
  const waiting = live.filter(isWaiting).length;
  const resolved = order.filter(isResolved).length;
  setText(page.counts, word("counts", { waiting, mine, others: live.length - waiting - mine, resolved }));
  page.empty.hidden = order.length > 0;
  const current = stream.state === "live" && !lost; // an empty list on a cut line is no quiet night
  setText(page.empty, current ? word("empty", { at: wallTime(stream.heard + stream.offset, HOME_ZONE) }) : stream.heard ? word("empty_stale") : "");
  document.title = waiting ? `(${waiting}) ${word("title")}` : word("title"); // no name, no place: others read the title bar
}

function showLink() {
  const down = stream.state === "down" || lost;
  document.body.dataset.link = lost ? "lost" : stream.state;
  const connecting = stream.asked === null || stream.asked === undefined ? "connecting" : stream.state;
  setText(page.link, stream.state === "off" ? "" : word(`link_${down ? "down" : stream.state === "live" ? "live" : connecting}`));
  page.stale.hidden = !down;
  page.desk.classList.toggle("veiled", down);
  page.away.hidden = down || !stream.degraded;
  setText(page.away, word("away"));
  if (!down) return;
  const since = stream.heard;
  const values = { at: wallTime(since + stream.offset, HOME_ZONE), for: elapsed(Date.now() - since) };
  setText(page.stale, lost ? word("sign_in_again") : since ? word("stale", values) : word("stale_unknown"));
}

function showSound() {
  const signedIn = Boolean(session.me);
  const ringing = queue.waiting().p0.length > 0;
  const state = !signedIn ? "off" : !sound.audible ? "blocked" : ringing ? "ringing" : "quiet";
  document.body.dataset.sound = state;
  document.body.dataset.rings = sound.rings;
  setText(page.sound, signedIn ? word({ blocked: "sound_off", ringing: "sound_ringing", quiet: "sound_on" }[state]) : "");
  page.deaf.hidden = state !== "blocked";
  setText(page.deaf, word(sound.possible ? "deaf" : "no_audio"));
}

function clocks() {
  const stopped = document.body.dataset.link === "down" || document.body.dataset.link === "lost";
  const until = stopped && stream.heard ? stream.heard + stream.offset : null;
  rows.forEach((row) => row.tick(until));
  setText(page.now, wallTime(stream.now(), HOME_ZONE));
}

function translate() {
  document.documentElement.lang = language();
  document.querySelectorAll("[data-t]").forEach((node) => setText(node, word(node.dataset.t)));
  const other = languages.find((tag) => tag !== language());
  setText(page.language, word("other_language"));
  page.language.lang = other;
  rows.forEach((row) => row.node.remove());
  rows.clear();
  if (panel.alert) panel.show(panel.alert);
  else panel.clear();
  showLink();
  showSound();
  render();
}

// ---------------------------------------------------------------- what the server is told

function seat() {
  if (!session.me) return;
  const now = Date.now();
  const audible = sound.audible;
  const visible = !document.hidden;
  const said = `${audible} ${visible} ${stream.state}`;
  if (said === seatSaid && now - seatAt < SEAT_MS) return;
  [seatSaid, seatAt] = [said, now];
  stream.send({ type: "seat", audible, visible, idle_s: Math.round((now - inputAt) / 1000) });
}

/** An alert counts as shown when its row is on the glass, once for every press. */
function tellShown() {
  if (document.hidden || stream.state !== "live") return;
  for (const { node, alert } of rows.values()) {
    const key = `${alert.id}:${alert.presses}`;
    if (!alert.id || shown.has(key)) continue;
    const box = node.getBoundingClientRect();
    if (box.bottom <= 0 || box.top >= window.innerHeight || box.height === 0) continue;
    shown.add(key);
    stream.send({ type: "shown", alert: alert.id, seq: alert.seq });
  }
}

// ---------------------------------------------------------------- the beat

function ring() {
  sound.tick(queue.waiting(), session.me !== null && (stream.state === "down" || lost));
  showSound();
}

function beat() {
  session.tick();
  stream.tick();
  if (queue.sweep() || ((pending.size || page.queue.querySelector(".gone")) && !standsStill())) draw();
  if (!session.me) return;
  ring();
  showLink();
  clocks();
  seat();
  tellShown();
}

function startBeat() {
  try {
    const ticker = new Worker("/plain/tick.js");
    ticker.onmessage = beat;
    ticker.onerror = () => setInterval(beat, 500);
  } catch {
    setInterval(beat, 500); // without workers: exact only while the tab is visible
  }
}

function onInput() {
  inputAt = Date.now();
  if (session.me && !sound.audible) sound.arm();
}

page.entry.addEventListener("submit", signIn);
page.leave.addEventListener("click", leave);
page.fresh.addEventListener("click", sortNow);
page.language.addEventListener("click", () => { setLanguage(languages.find((tag) => tag !== language())); translate(); });
page.queue.addEventListener("pointermove", () => { aimedAt = Date.now(); });
document.addEventListener("pointerdown", onInput, true);
document.addEventListener("keydown", (event) => {
  onInput();
  if (event.key === "F2") { event.preventDefault(); sortNow(); }
}, true);
document.addEventListener("visibilitychange", seat);

page.dead.remove();
page.entry.hidden = false;
translate();
startBeat();
