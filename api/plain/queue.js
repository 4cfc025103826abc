// The list of alerts, as data: what it holds, in which order, and what must ring. No page in here.

const RANK = { p0: 0, p1: 1, p2: 2, p3: 3 };
const LEAVES_AFTER_MS = 6000;

export const isOver = (alert) => alert.status === "closed";
export const isResolved = (alert) => alert.status === "resolved";
export const isWaiting = (alert) => !alert.owner && (alert.status === "open" || alert.status === "pending_confirm");

// Total, so that two consoles and two reloads show the same order: level, unclaimed first, oldest first.
function place(alert) {
  const level = isResolved(alert) || isOver(alert) ? 9 : RANK[alert.severity] ?? 0; // an unknown level counts as the worst
  return [level, isWaiting(alert) ? 0 : 1, Date.parse(alert.opened_at), alert.alert_no ?? 0];
}

export function compare(a, b) {
  const [left, right] = [place(a), place(b)];
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return left[i] - right[i];
  return 0;
}

export class Queue {
  constructor() {
    this.alerts = new Map(); // id (or provisional id) -> alert
    this.left = new Map(); // id -> when it was closed, page clock
  }

  /** The live alerts at one instant. Resolved ones are not among them and stay until the API says otherwise. */
  snapshot(live) {
    for (const [id, alert] of this.alerts) if (!isResolved(alert) && !isOver(alert)) this.alerts.delete(id);
    live.forEach((alert) => this.put(alert));
  }

  /** Every alert that waits to be closed; `asked` is the stream position before asking, so newer ones survive. */
  resolved(list, asked) {
    const known = new Set(list.map((alert) => alert.id));
    for (const [id, alert] of this.alerts) if (isResolved(alert) && !known.has(id) && alert.seq <= asked) this.alerts.delete(id);
    list.forEach((alert) => this.put(alert));
  }

  /** True if `alert` is news; an older version never replaces a newer one. */
  put(alert, now = Date.now()) {
    const id = alert.id ?? alert.provisional_id;
    const held = this.alerts.get(id);
    if (held && held.version > alert.version) return false;
    this.alerts.set(id, alert);
    if (isOver(alert)) {
      if (!this.left.has(id)) this.left.set(id, now);
    } else this.left.delete(id);
    return !held;
  }

  drop(id) { this.alerts.delete(id); }

  /** Closed alerts leave a few seconds after they closed; nothing else ever leaves by time. True if one did. */
  sweep(now = Date.now()) {
    const before = this.alerts.size;
    for (const [id, since] of this.left) {
      if (now - since < LEAVES_AFTER_MS) continue;
      this.left.delete(id);
      this.alerts.delete(id);
    }
    return this.alerts.size !== before;
  }

  inOrder() { return [...this.alerts.values()].sort(compare); }

  /** {p0: [alerts nobody holds], …} */
  waiting() {
    const found = { p0: [], p1: [], p2: [], p3: [] };
    for (const alert of this.alerts.values()) if (isWaiting(alert)) (found[alert.severity] ?? found.p0).push(alert);
    return found;
  }
}
