// Every text of the page, Chinese first. A missing key throws in the browser test, which walks both languages.
const WORDS = {
  title: ["安心 · 报警", "Anxin · Alerts"],
  other_language: ["English", "中文"],
  sign_in: ["登录", "Sign in"],
  sign_in_sound: ["登录并打开声音", "Sign in and turn the sound on"],
  sign_out: ["退出", "Sign out"],
  user: ["用户名", "User name"],
  password: ["密码", "Password"],
  fallback_note: ["备用页面：只显示实时报警和处置。", "Fallback page: live alerts and their handling only."],
  sign_in_again: ["登录已失效，收不到报警。请重新登录。", "You are signed out and receive no alerts. Sign in again."],
  unreachable: ["服务器没有应答。", "The server does not answer."],
  not_delivered: ["未送达，请电话通知班长。", "Not delivered. Phone the shift supervisor."],
  refused: ["没有办成（{status}）。", "Not done ({status})."],

  link_live: ["● 实时", "● Live"],
  link_connecting: ["◐ 重连中", "◐ Reconnecting"],
  link_catching_up: ["◐ 补收中", "◐ Catching up"],
  link_down: ["○ 断开", "○ Disconnected"],
  stale: ["断开 — 数据可能过期。自 {at}（已 {for}）收不到更新，请用电话值守。",
    "Disconnected: what you see may be out of date. No updates since {at} ({for}). Answer by telephone."],
  stale_unknown: ["断开 — 还没有收到任何数据。", "Disconnected: nothing has been received yet."],
  away: ["数据库没有应答。新的紧急报警仍会响铃，标有“未入库”，可以受理；其他操作要等恢复。",
    "The database does not answer. New emergencies still ring, marked “not stored yet”, and can be acknowledged; everything else waits."],
  sound_on: ["声音正常", "Sound on"],
  sound_ringing: ["响铃中", "Ringing"],
  sound_off: ["没有声音", "No sound"],
  deaf: ["声音被浏览器关闭，听不到报警。按任意键或点击页面恢复。",
    "The browser blocks the sound: alerts are silent. Press any key or click to restore it."],
  no_audio: ["这个浏览器不能发声，听不到报警。", "This browser has no sound: alerts are silent."],

  alerts: ["报警", "Alerts"],
  counts: ["待接 {waiting} · 我的 {mine} · 他人 {others} · 待结案 {resolved}",
    "waiting {waiting} · mine {mine} · others {others} · to close {resolved}"],
  empty: ["现在没有报警。最后更新 {at}。", "No alerts now. Last update {at}."],
  empty_stale: ["断开前没有报警；现在有没有，看不到。", "There were no alerts before the line was cut; whether there are now can't be seen."],
  waiting_below: ["新到 {n} 起在下方，点此排序 (F2)", "{n} new below, sort now (F2)"],
  announced: ["新报警 {level} {title} {who}", "New alert {level} {title} {who}"],
  p0: ["紧急", "Urgent"], p1: ["较急", "High"], p2: ["注意", "Warning"], p3: ["提示", "Notice"],
  presses: ["按了 {n} 次", "pressed {n} times"],
  delayed: ["迟到 {for}", "arrived {for} late"],
  clock_suspect: ["设备时间可疑", "device clock suspect"],
  uncertain: ["内容可疑", "content uncertain"],
  unidentified: ["身份不明", "unidentified"],
  unstored: ["未入库", "not stored yet"],
  test: ["测试", "Test"],
  boost: ["升级", "boosted"],
  escalated: ["已升级 {n}", "escalated {n}"],
  opened: ["{at} 报警", "opened {at}"],
  happened: ["发生于 {at}", "happened {at}"],
  holder_none: ["未接", "nobody has it"],
  holder_me: ["我已接", "held by you"],
  holder_gone: ["{name} 已接（掉线）", "held by {name} (disconnected)"],
  holder: ["{name} 已接", "held by {name}"],
  held_conflict: ["{name} {at} 已接。", "{name} took it at {at}."],
  device: ["设备 {id}", "device {id}"],
  dwelling: ["住所", "dwelling"],
  loading_name: ["读取中", "loading"],
  stopped_at: ["停在 {at}", "as of {at}"],

  acknowledge: ["受理", "Acknowledge"],
  release: ["放回", "Release"],
  takeover: ["接管", "Take over"],
  assist: ["协助", "Assist"],
  call: ["通话结果", "Call result"],
  verify: ["研判", "Verify"],
  dispatch: ["派单", "Dispatch"],
  arrive: ["到场", "Arrived"],
  resolve: ["处理完成", "Resolve"],
  close: ["结案", "Close"],
  reopen: ["重开", "Reopen"],
  note: ["备注", "Note"],
  details: ["情况", "Details"],
  send: ["提交", "Submit"],
  cancel: ["取消", "Cancel"],
  sending: ["提交中…", "Submitting…"],
  done_unstored: ["{action}：已记下，恢复后入库", "{action}: noted, stored when the database is back"],
  done: ["{action}：已记录", "{action}: recorded"],
  party: ["打给谁", "Whom"],
  result: ["结果", "Result"],
  service: ["通知", "Call out"],
  responder_id: ["或助老员编号", "or responder id"],
  proof: ["凭据", "Proof"],
  outcome: ["结果", "Outcome"],
  code: ["结案代码", "Closing code"],
  text: ["内容", "Text"],
  note_field: ["说明", "Note"],
  reason: ["原因", "Reason"],
  nothing_chosen: ["请选择", "choose"],
  "party.elder": ["老人", "elder"],
  "party.family": ["家属", "family"],
  "party.neighbour": ["邻居", "neighbour"],
  "result.answered_ok": ["接通，平安", "answered, fine"],
  "result.answered_help": ["接通，需要帮助", "answered, needs help"],
  "result.no_answer": ["无人接听", "no answer"],
  "result.refused": ["拒接", "refused"],
  "result.wrong": ["打错", "wrong number"],
  "result.real": ["真实", "real"],
  "result.false": ["误报", "false"],
  "service.120": ["120 急救", "120 ambulance"],
  "service.119": ["119 消防", "119 fire"],
  "service.110": ["110 公安", "110 police"],

  panel: ["此刻情况", "The situation"],
  panel_hint: ["选一起报警，查看最近的读数和经过。", "Choose an alert to see the last readings and what happened."],
  last_readings: ["最近读数（参考）", "Last readings (for reference)"],
  timeline: ["老人近况", "The elder's recent events"],
  handling: ["处置经过", "Handling"],
  no_elder: ["这起报警没有对应的老人。", "This alert belongs to no known elder."],
  no_data: ["无数据", "no data"],
  box_failed: ["读不到。{detail}", "Can't be read. {detail}"],
  retry: ["重试", "Retry"],
  me: ["我", "me"],
  suspect: ["可疑", "suspect"],
  ago: ["{for}前", "{for} ago"],
  seconds: ["{n} 秒", "{n} s"],
  minutes: ["{n} 分", "{n} min"],
  hours: ["{n} 小时", "{n} h"],
  days: ["{n} 天", "{n} d"],
};

let column = 0;
let dictionary = {};

export const languages = ["zh-CN", "en"];
export const language = () => languages[column];
export const setLanguage = (tag) => { column = tag === "en" ? 1 : 0; };

/** The text of `key` with {names} filled in. Throws for an unknown key: a silent blank would hide a mistake. */
export function word(key, values = {}) {
  if (!(key in WORDS)) throw new Error(`no text for ${key}`);
  return WORDS[key][column].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** What GET /dictionary answered: {group: {code: {zh, en}}}. */
export const setDictionary = (groups) => { dictionary = groups; };
export const codes = (group) => Object.keys(dictionary[group] ?? {});

/** The label of a code of the platform; a code nobody labelled is shown as it is, never hidden. */
export function label(group, code) {
  const found = dictionary[group]?.[code];
  return found ? (column === 0 ? found.zh : found.en) : String(code);
}

/** A text that an alert carries in both languages: title, reason. */
export const said = (alert, name) => (column === 1 && alert[`${name}_en`]) || alert[name];

/** 0:27, 12:04, 1:02:03. */
export function elapsed(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "12 分", "3 h": one unit is enough to judge by. */
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return word("seconds", { n: s });
  if (s < 3600) return word("minutes", { n: Math.round(s / 60) });
  if (s < 172800) return word("hours", { n: Math.round(s / 3600) });
  return word("days", { n: Math.round(s / 86400) });
}

/** The wall time at the elder's home; with the date where it is not today there. */
export function wallTime(when, zone, now = Date.now()) {
  const at = new Date(when);
  const parts = (options, d) => new Intl.DateTimeFormat(language(), { timeZone: zone, hourCycle: "h23", ...options }).format(d);
  const day = { year: "numeric", month: "2-digit", day: "2-digit" };
  const time = parts({ hour: "2-digit", minute: "2-digit", second: "2-digit" }, at);
  return parts(day, at) === parts(day, new Date(now)) ? time : `${parts({ month: "2-digit", day: "2-digit" }, at)} ${time}`;
}
