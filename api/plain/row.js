// One alert in the list. Its elements are made once and only their texts change: nothing jumps, no typing is lost.
import { offered } from "./actions.js";
import { badge, el, setText } from "./dom.js";
import { isOver, isResolved, isWaiting } from "./queue.js";
import { elapsed, label, said, span, wallTime, word } from "./words.js";

const GUARD_MS = 800; // what just appeared does not yet take the click or the key that was meant for something else

export class Row {
  /** `desk`: {me(), person(alert), zone(alert), now(), act(alert, action, body), choose(alert)} */
  constructor(desk, alert) {
    this.desk = desk;
    this.form = null;
    this.offer = "";
    this.title = el("h3", { tabindex: "-1" });
    this.marks = el("span", { class: "marks" });
    this.who = el("p", { class: "who" });
    this.why = el("p", { class: "why" });
    this.when = el("p", { class: "muted" });
    this.clock = el("span", { class: "clock digits" });
    this.holder = el("span", { class: "holder" });
    this.buttons = el("div", { class: "buttons" });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.node = el("li", { class: "row" }, badge(alert.severity, `${word(alert.severity)} ${alert.severity.toUpperCase()}`),
      el("div", { class: "what" }, el("div", { class: "line" }, this.title, this.marks, this.who), el("div", { class: "line" }, this.why, this.when)),
      el("div", { class: "side" }, this.clock, this.holder),
      el("div", { class: "acts" }, this.buttons, this.problem));
    this.node.addEventListener("click", (event) => { if (!event.target.closest("button,form,a")) desk.choose(this.alert); });
    this.update(alert);
  }

  get busy() { return this.form !== null; }

  update(alert) {
    this.alert = alert;
    const zone = this.desk.zone(alert);
    const waiting = isWaiting(alert);
    this.node.className = ["row", alert.severity, waiting && "waiting", isResolved(alert) && "resolved", isOver(alert) && "over", alert.test && "drill"].filter(Boolean).join(" ");
    Object.assign(this.node.dataset, { alert: alert.id ?? alert.provisional_id, status: alert.status });
    setText(this.title, said(alert, "title"));
    this.node.setAttribute("aria-label", `${word(alert.severity)} ${alert.severity.toUpperCase()} ${said(alert, "title")}`);
    setText(this.who, this.desk.person(alert));
    setText(this.why, said(alert, "reason"));
    const happened = Math.abs(Date.parse(alert.opened_at) - Date.parse(alert.event_at)) > 60000 ? ` · ${word("happened", { at: wallTime(alert.event_at, zone) })}` : "";
    setText(this.when, `${word("opened", { at: wallTime(alert.opened_at, zone) })}${happened} · #${alert.alert_no || "–"}`);
    setText(this.holder, `${label("statuses", alert.status)} · ${this.holderText()}`);
    this.mark(marksOf(alert));
    this.offerButtons();
    this.tick();
  }

  holderText() {
    const { owner } = this.alert;
    if (!owner) return word("holder_none");
    if (owner.id === this.desk.me()?.id) return word("holder_me");
    return word(owner.connected === false ? "holder_gone" : "holder", { name: owner.name });
  }

  mark(texts) {
    if (this.marks.dataset.texts === texts.join("|")) return;
    this.marks.dataset.texts = texts.join("|");
    this.marks.replaceChildren(...texts.map((text) => el("span", { class: "mark" }, text)));
  }

  /** The running age; it stands still while the line is cut, because nobody knows what happened since. */
  tick(stoppedAt = null) {
    if (isOver(this.alert)) return setText(this.clock, "");
    const text = elapsed((stoppedAt ?? this.desk.now()) - Date.parse(this.alert.opened_at));
    setText(this.clock, stoppedAt === null ? text : word("stopped_at", { at: text }));
  }

  offerButtons() {
    const actions = offered(this.alert, this.desk.me());
    const offer = actions.map((action) => action.name).join();
    if (offer === this.offer) return;
    const hadFocus = this.buttons.contains(document.activeElement);
    this.offer = offer;
    if (this.form && !actions.some((action) => action.name === this.form.dataset.action)) this.fold();
    const fresh = actions.map((action) => el("button", {
      type: "button", class: action.main && "main", "data-action": action.name, disabled: true, onclick: () => this.press(action),
    }, word(action.name)));
    const details = el("button", { type: "button", "data-action": "details", onclick: () => this.desk.choose(this.alert, true) }, word("details"));
    this.buttons.replaceChildren(...fresh, details);
    setTimeout(() => fresh.forEach((button) => { button.disabled = Boolean(this.sending); }), GUARD_MS);
    if (hadFocus) this.title.focus();
  }

  press(action) {
    if (this.form?.dataset.action === action.name) return this.fold();
    if (!action.fields) return this.send(action, {});
    this.fold();
    this.form = this.fill(action);
    this.buttons.after(this.form);
    this.form.querySelector("select,input").focus();
  }

  fill(action) {
    const fields = action.fields.map((field) => el("label", {}, el("span", {}, word(field.key ?? field.field)), input(field)));
    const submit = el("button", { type: "submit", class: "main" }, word("send"));
    const cancel = el("button", { type: "button", onclick: () => { this.fold(); this.title.focus(); } }, word("cancel"));
    const form = el("form", { class: "fields", "data-action": action.name }, ...fields, submit, cancel);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const filled = [...new FormData(form)].filter(([, value]) => value.trim() !== "");
      this.send(action, Object.fromEntries(filled));
    });
    return form;
  }

  fold() {
    this.form?.remove();
    this.form = null;
  }

  async send(action, body) {
    if (this.sending) return;
    this.sending = true;
    this.lock(true);
    setText(this.problem, word("sending"));
    const refusal = await this.desk.act(this.alert, action.name, body);
    this.sending = false;
    this.lock(false);
    setText(this.problem, refusal ?? "");
    if (refusal === null && this.form?.dataset.action === action.name) {
      this.fold();
      this.title.focus();
    }
  }

  lock(locked) { this.node.querySelectorAll(".acts button").forEach((button) => { button.disabled = locked; }); }
}

function input(field) {
  const options = field.options?.() ?? [];
  if (field.text || !options.length) return el("input", { name: field.field, required: field.required, maxlength: 500, autocomplete: "off" });
  return el("select", { name: field.field, required: field.required }, el("option", { value: "" }, word("nothing_chosen")),
    ...options.map(([value, shown]) => el("option", { value }, shown)));
}

function marksOf(alert) {
  const late = alert.delayed_s * 1000 || Date.parse(alert.opened_at) - Date.parse(alert.event_at);
  return [
    alert.test && word("test"),
    alert.presses > 1 && word("presses", { n: alert.presses }),
    alert.boost && word("boost"),
    alert.delayed && word("delayed", { for: span(late) }),
    alert.clock_suspect && word("clock_suspect"),
    alert.uncertain && word("uncertain"),
    alert.subject?.kind === "device" && word("unidentified"),
    alert.stored === false && word("unstored"),
    alert.escalation_level > 0 && word("escalated", { n: alert.escalation_level }),
  ].filter(Boolean);
}
