// What may be done with an alert, in which state, and what must be filled in: contract §2 as one table.
import { codes, label, word } from "./words.js";

const LIVE = new Set(["pending_confirm", "open", "acknowledged", "verifying", "dispatched", "on_scene"]);
const choice = (field, values) => ({ field, options: () => values.map((value) => [value, word(`${field}.${value}`)]) });
const text = (field, key = field) => ({ field, key, text: true });
const required = (input) => ({ ...input, required: true });

// when(alert, me): me = {id, roles, mine, held, operator, supervisor}
const ACTIONS = [
  { name: "acknowledge", main: true, when: (a) => a.status === "open" || a.status === "pending_confirm" },
  { name: "takeover", when: (a, me) => me.held && !me.mine && (me.supervisor || a.owner.connected === false), fields: [text("reason")] },
  { name: "assist", when: (a, me) => me.held && !me.mine },
  { name: "call", when: (a, me) => me.mine, fields: [
    required(choice("party", ["elder", "family", "neighbour"])),
    required(choice("result", ["answered_ok", "answered_help", "no_answer", "refused", "wrong"]))] },
  { name: "verify", when: (a, me) => me.mine && ["acknowledged", "verifying"].includes(a.status), fields: [
    required(choice("result", ["real", "false", "no_answer"]))] },
  { name: "dispatch", when: (a, me) => me.mine && ["acknowledged", "verifying", "dispatched"].includes(a.status), fields: [
    choice("service", ["120", "119", "110"]), text("responder_id")] },
  { name: "arrive", when: (a, me) => me.mine && a.status === "dispatched", fields: [required(text("proof"))] },
  { name: "resolve", when: (a, me) => me.mine && LIVE.has(a.status), fields: [
    required({ field: "outcome", options: () => codes("outcomes").map((code) => [code, label("outcomes", code)]), orText: true }),
    text("note", "note_field")] },
  { name: "release", when: (a, me) => me.mine, fields: [text("reason")] },
  { name: "close", main: true, when: (a, me) => a.status === "resolved" && me.operator, fields: [
    required({ field: "code", options: () => codes("close_codes").map((code) => [code, label("close_codes", code)]), orText: true }),
    required(text("note", "note_field"))] },
  { name: "note", when: () => true, fields: [required(text("text"))] },
];

const OPERATORS = ["admin", "operator", "shift_supervisor"];

/** The actions that `me` (the answer of GET /me) may take on `alert` now. */
export function offered(alert, me) {
  if (alert.status === "closed") return [];
  const roles = me?.roles ?? [];
  const held = Boolean(alert.owner) && LIVE.has(alert.status);
  const who = {
    held, mine: held && alert.owner.id === me?.id,
    operator: roles.some((role) => OPERATORS.includes(role)),
    supervisor: roles.includes("shift_supervisor") || roles.includes("admin"),
  };
  // Provisional: there is nothing in the database to act on yet; taking it is remembered and done later.
  const possible = alert.id ? ACTIONS : ACTIONS.filter((action) => action.name === "acknowledge");
  return possible.filter((action) => (action.name === "note" || who.operator) && action.when(alert, who));
}
