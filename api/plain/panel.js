// The small panel: last readings and recent events of the elder of one alert, and how the alert was handled so far.
// Each box fails alone and says so; a value that is missing says so too.
import { el, setText } from "./dom.js";
import { label, said, span, wallTime, word } from "./words.js";

export class Panel {
  /** `desk` as in row.js, and session. `title`, `place`: the elements to write into. */
  constructor(session, desk, title, place) {
    Object.assign(this, { session, desk, title, place, alert: null });
  }

  clear() {
    this.alert = null;
    setText(this.title, word("panel"));
    this.place.replaceChildren(el("p", { class: "muted" }, word("panel_hint")));
  }

  async show(alert) {
    this.alert = alert;
    setText(this.title, `${said(alert, "title")} · ${this.desk.person(alert)}`);
    const boxes = [this.box("handling", `/alerts/${alert.id}`, (found) => this.handling(found.timeline ?? []))];
    if (alert.elder_id) {
      boxes.push(this.box("last_readings", `/elders/${alert.elder_id}/readings/latest`, (found) => this.readings(found.items)));
      boxes.push(this.box("timeline", `/elders/${alert.elder_id}/timeline?limit=30`, (found) => this.events(found.items)));
    }
    const note = alert.elder_id ? null : el("p", { class: "muted" }, word("no_elder"));
    this.place.replaceChildren(...boxes, ...(note ? [note] : []));
  }

  /** Shows the alert again if it is the chosen one: something happened to it. */
  refresh(alert) { if (this.alert && alert.id === this.alert.id) this.show(alert); }

  box(name, path, render) {
    const body = el("div", {}, el("p", { class: "muted" }, word("loading_name")));
    const load = async () => {
      try {
        body.replaceChildren(render(await this.session.call("GET", path)));
      } catch (error) {
        const again = el("button", { type: "button", onclick: load }, word("retry"));
        body.replaceChildren(el("p", { class: "problem" }, word("box_failed", { detail: error.message || word("unreachable") }), again));
      }
    };
    load();
    return el("section", { class: "box", "data-box": name }, el("h3", {}, word(name)), body);
  }

  ago(at) { return word("ago", { for: span(this.desk.now() - Date.parse(at)) }); }

  nothing() { return el("p", { class: "muted" }, word("no_data")); }

  readings(items) {
    if (!items.length) return this.nothing();
    return el("table", {}, el("tbody", {}, ...items.map((item) => el("tr", {},
      el("th", { scope: "row" }, label("metrics", item.metric)),
      el("td", { class: "digits" }, `${Number(item.value.toFixed(1))} ${item.unit === "1" ? "" : item.unit}`),
      el("td", { class: "muted", title: wallTime(item.at, this.desk.zone(this.alert)) }, this.ago(item.at) + (item.suspect ? ` · ${word("suspect")}` : ""))))));
  }

  events(items) {
    if (!items.length) return this.nothing();
    return el("ol", { class: "events" }, ...items.map((item) => this.line(item.at,
      item.kind === "alert" ? `${item.severity.toUpperCase()} ${said(item, "title")} · ${label("statuses", item.status)}` : `${label("event_types", item.type)}${valueText(item.value)}`)));
  }

  handling(items) {
    if (!items.length) return this.nothing();
    return el("ol", { class: "events" }, ...[...items].reverse().map((item) => this.line(item.at,
      [label("alert_events", item.type), actorText(item, this.desk.me()), detailText(item.detail ?? {}, item.type)].filter(Boolean).join(" · "))));
  }

  line(at, text) {
    return el("li", {}, el("time", { datetime: at, class: "digits muted" }, wallTime(at, this.desk.zone(this.alert))), " ", text);
  }
}

const actorText = ({ actor }, me) => (actor?.id && actor.id === me?.id ? word("me") : actor?.name ?? (actor?.kind ? label("actor_kinds", actor.kind) : ""));

function valueText(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object") return ` ${Object.entries(value).map(([key, each]) => `${label("value_fields", key)} ${label("values", each)}`).join(", ")}`;
  return ` ${label("values", value)}`;
}

// Codes of an event's particulars and where their words are; texts that people wrote are shown as written.
const CODED = { party: "parties", result: "call_results", service: "services", outcome: "outcomes", code: "close_codes_all" };
const WRITTEN = ["text", "note", "reason"];

function detailText(detail, type) {
  const group = (key) => (key === "result" && type === "alert.verified" ? "verdicts" : CODED[key]);
  const coded = Object.keys(CODED).filter((key) => typeof detail[key] === "string").map((key) => label(group(key), detail[key]));
  return [...coded, ...WRITTEN.map((key) => detail[key]).filter((text) => typeof text === "string")].join(" · ");
}
