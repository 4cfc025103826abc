// Who is signed in, and every HTTP call. Tokens live in this object only: a reload asks for the password again.

const BASE = "/api/v1";
const RETRY_MS = 10000;
const ANSWER_MS = 5000;

/** A refusal of the API: `detail` is a sentence in the caller's language. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? "");
    this.status = status;
    this.code = String(body.type ?? "").split("/").pop();
    this.body = body;
    this.fields = (body.errors ?? []).map((e) => e.message).filter(Boolean);
  }
}

/** The server did not answer at all, or answered that it can't now. */
export class Unreachable extends Error {}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// crypto.randomUUID exists on https and localhost only; a centre may reach the page over plain http in its own net.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export class Session {
  constructor({ language, renewed, lost }) {
    this.language = language;
    this.renewed = renewed;
    this.lost = lost;
    this.forget();
  }

  forget() {
    this.access = this.refreshToken = this.me = null;
    this.renewAt = Infinity;
    this.refreshing = null;
  }

  async signIn(username, password) {
    const form = new URLSearchParams({ grant_type: "password", username, password });
    this.keep(await this.once("POST", "/auth/token", { form }));
    this.me = await this.call("GET", "/me");
  }

  async signOut() {
    const token = this.refreshToken;
    try {
      if (token) await this.once("POST", "/auth/logout", { body: { refresh_token: token }, access: this.access });
    } finally {
      this.forget();
    }
  }

  keep(answer) {
    this.access = answer.access_token;
    this.refreshToken = answer.refresh_token;
    this.renewAt = Date.now() + Math.max(10, answer.expires_in * 0.7) * 1000;
  }

  /** Renew when it is time; a server that does not answer leaves us signed in, a refusal does not. */
  tick() {
    if (Date.now() < this.renewAt) return;
    this.renewAt = Date.now() + 10000;
    this.refresh().catch((error) => { if (!(error instanceof Unreachable)) throw error; });
  }

  refresh() {
    this.refreshing ??= this.exchange().finally(() => { this.refreshing = null; });
    return this.refreshing;
  }

  async exchange() {
    try {
      this.keep(await this.once("POST", "/auth/refresh", { body: { refresh_token: this.refreshToken } }));
      this.renewed();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.access = null;
      this.renewAt = Infinity;
      this.lost();
      return false;
    }
  }

  /** Asks once more after renewing an expired token. A POST is repeated for 10 s under one key: it happens once. */
  async call(method, path, body) {
    const key = method === "GET" ? null : newKey();
    const until = Date.now() + (method === "GET" ? 0 : RETRY_MS);
    let renewed = false;
    for (;;) {
      try {
        return await this.once(method, path, { body, key, access: this.access });
      } catch (error) {
        if (error instanceof Problem && error.status === 401 && !renewed) {
          renewed = true;
          if (await this.refresh()) continue;
        }
        if (!(error instanceof Unreachable) || Date.now() > until) throw error;
        await pause(700 + Math.random() * 600);
      }
    }
  }

  async once(method, path, { body, form, key, access } = {}) {
    const headers = { Accept: "application/json", "Accept-Language": this.language() };
    if (access) headers.Authorization = `Bearer ${access}`;
    if (key) headers["Idempotency-Key"] = key;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), ANSWER_MS);
    try {
      const answer = await fetch(BASE + path, {
        method, headers, body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
        signal: stop.signal, cache: "no-store", credentials: "omit",
      });
      if ([502, 503, 504].includes(answer.status)) throw new Unreachable(await said(answer));
      if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
      return answer.status === 204 ? null : await answer.json();
    } catch (error) {
      if (error instanceof Problem || error instanceof Unreachable) throw error;
      throw new Unreachable(""); // no connection, a cut answer, or nobody answered in time
    } finally {
      clearTimeout(timer);
    }
  }
}

const said = async (answer) => (await answer.json().catch(() => ({}))).detail ?? "";
