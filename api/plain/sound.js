// Alarm sounds, made on the spot (no files to load, nothing to cache). Patterns say the level: 10 / 3 / 1 pulses.
// P0 repeats until somebody holds the alert, wherever that person sits.

const HIGH = 698, LOW = 523;
const burst = (count, start, gap, tones) => Array.from({ length: count }, (_, i) => [start + i * gap, tones[i % tones.length], 0.12]);
const PATTERNS = {
  p0: [...burst(3, 0, 0.2, [HIGH, LOW]), ...burst(2, 0.8, 0.2, [HIGH, LOW]), ...burst(3, 1.6, 0.2, [HIGH, LOW]), ...burst(2, 2.4, 0.2, [HIGH, LOW])],
  pressed: burst(5, 0, 0.18, [HIGH, LOW]),
  p1: burst(3, 0, 0.3, [587, LOW]),
  p2: burst(1, 0, 0.3, [LOW]),
  stale: [[0, 220, 0.35], [0.45, 165, 0.35]],
};
const EVERY_MS = { p0: 5000, p1: 60000, stale: 10000 };
const PRESS_GAP_MS = 3000;

export class Sound {
  constructor(changed) {
    this.changed = changed;
    this.context = null;
    this.blocked = false; // the output stands still although it says it runs
    this.last = {}; // pattern -> when it was last played
    this.progress = [0, 0];
    this.rings = 0;
    this.chimed = new Set(); // P2 alerts sound once
  }

  get possible() { return "AudioContext" in window; }
  get audible() { return this.context?.state === "running" && !this.blocked; }

  /** Must be called from a key or a click: browsers keep a page silent until then. */
  arm() {
    if (!this.possible) return;
    if (!this.context) {
      this.context = new AudioContext();
      const harmonics = Float32Array.from([0, 1, 0.6, 0.45, 0.3, 0.2]); // rich tones are heard through small speakers
      this.wave = this.context.createPeriodicWave(new Float32Array(harmonics.length), harmonics);
      this.context.onstatechange = () => this.changed();
    }
    if (this.context.state !== "running") this.context.resume().then(this.changed, this.changed);
  }

  /** Called twice a second with what waits. `stale`: the line is cut. Rings at once when something new waits. */
  tick(waiting, stale, now = Date.now()) {
    this.watchOutput(now);
    if (!this.audible) return;
    if (waiting.p0.length) {
      const oldest = Math.min(...waiting.p0.map((alert) => Date.parse(alert.opened_at)));
      this.every("p0", now, now - oldest > 60000 ? 1 : now - oldest > 30000 ? 0.7 : 0.5);
    } else {
      delete this.last.p0; // so that the next one rings at once
      if (waiting.p1.length) this.every("p1", now, 0.5);
      else delete this.last.p1;
      this.chime(waiting.p2, now);
    }
    if (stale) this.every("stale", now, 0.5);
    else delete this.last.stale;
  }

  every(name, now, volume) {
    if (now - (this.last[name] ?? -Infinity) < EVERY_MS[name]) return;
    this.last[name] = now;
    this.play(name, volume);
  }

  chime(alerts, now) {
    const hour = new Date(now).getHours();
    const fresh = alerts.filter((alert) => !this.chimed.has(alert.id));
    fresh.forEach((alert) => this.chimed.add(alert.id));
    if (fresh.length && hour >= 7 && hour < 22) this.play("p2", 0.35);
  }

  /** A further press or a new P0 beside a ringing one: heard once more, whatever else sounds. */
  pressed(now = Date.now()) {
    if (!this.audible || now - (this.last.pressed ?? -Infinity) < PRESS_GAP_MS) return;
    this.last.pressed = now;
    this.play("pressed", 0.7);
  }

  play(name, volume) {
    const start = this.context.currentTime + 0.02;
    for (const [offset, tone, length] of PATTERNS[name]) this.pulse(start + offset, tone, length, volume);
    this.rings += 1;
    this.changed();
  }

  pulse(at, tone, length, volume) {
    const [source, gain] = [this.context.createOscillator(), this.context.createGain()];
    source.setPeriodicWave(this.wave);
    source.frequency.value = tone;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(volume, at + 0.01);
    gain.gain.setValueAtTime(volume, at + length - 0.02);
    gain.gain.linearRampToValueAtTime(0, at + length);
    source.connect(gain).connect(this.context.destination);
    source.start(at);
    source.stop(at + length + 0.05);
  }

  // A pulled-out sound card leaves the state "running" while its time stands still.
  watchOutput(now) {
    const [then, time] = this.progress;
    if (!this.context || now - then < 2000) return;
    const was = this.blocked;
    this.blocked = then > 0 && this.context.state === "running" && this.context.currentTime === time;
    this.progress = [now, this.context.currentTime];
    if (was !== this.blocked) this.changed();
  }
}
