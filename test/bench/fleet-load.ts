/** Heartbeats as a fleet sends them, about 220 bytes each. */

export function subjectOf(runner: number): string {
  return `runbeat.hb.camera.cam${runner}.hd`;
}

export function bodyOf(runner: number, seq: number): string {
  return JSON.stringify({
    v: 1,
    pid: 1000 + (runner % 30_000),
    host: `edge-${runner % 200}`,
    started_at: "2026-11-22T05:00:00.000Z",
    ts: "2026-11-22T05:26:00.123Z",
    seq,
    interval_sec: 10,
    health: "healthy",
    fps: 24.9,
    detected: 2,
    matched: 1,
    latency_ms: 18.2,
    last_error: "",
    camera_state: "healthy",
  });
}
