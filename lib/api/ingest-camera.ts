/** Heartbeats of camera runners that post to `/api/runner/heartbeat/`. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { heartbeatSchema } from "../core/heartbeat-schema.ts";
import { MAX_HEARTBEAT_BYTES } from "../core/heartbeat.ts";
import type { Api } from "./api.ts";
import { checkHeartbeat, isObject, tokenOf } from "./ingest-check.ts";
import { admit, store } from "./ingest-gate.ts";
import { problem } from "./problem.ts";
import { runnerNameSchema } from "./runner-item.ts";

const token = z.union([z.string(), z.number().int()]);

const bodySchema = z
  .object({
    camera_id: token.optional().describe("Or `camera`: name or number of the camera"),
    camera: token.optional(),
    profile_id: token.optional().describe("Or `profile`: name or number of the profile"),
    profile: token.optional(),
    ...heartbeatSchema.omit({ runner: true }).shape,
  })
  .loose()
  .openapi("CameraHeartbeat", {
    example: { camera_id: 1, profile_id: 1, pid: 9999, fps: 5, detected: 0, matched: 0 },
  });

export const storedSchema = z
  .object({
    ok: z.literal(true),
    runner: runnerNameSchema,
    seq: z.number().int().describe("Of the heartbeat in its stream"),
  })
  .openapi("StoredHeartbeat");

/** A body may be this long, spaces included; what is stored of it has its own limit. */
export const MAX_SINGLE_BYTES = 4 * MAX_HEARTBEAT_BYTES;

export function addCameraIngest(api: Api): void {
  api.router.add(
    {
      method: "post",
      path: "/api/runner/heartbeat",
      tag: "Ingest",
      summary: "A camera runner's heartbeat",
      about:
        "Becomes `camera/<camera>/<profile>`. A slash at the end of the path makes no difference.",
      guard: "camera",
      query: {},
      body: bodySchema,
      answers: { 202: { about: "The stream has stored it", schema: storedSchema } },
      problems: [
        "invalid_json",
        "invalid_body",
        "forbidden",
        "too_large",
        "unsupported_media_type",
        "rate_limited",
        "unavailable",
      ],
    },
    (c) => takeCameraHeartbeat(api, c),
  );
}

async function takeCameraHeartbeat(api: Api, c: Context): Promise<Response> {
  const admission = await admit(api, c, { maxBytes: MAX_SINGLE_BYTES, withoutKey: "forbidden" });
  if (!admission.ok) return admission.answer;
  const { body, grant } = admission;
  if (!isObject(body)) return invalid(api, c, "The body must be a JSON object");
  const { camera_id, camera: cameraName, profile_id, profile: profileName, ...rest } = body;
  const camera = tokenOf(camera_id ?? cameraName);
  const profile = tokenOf(profile_id ?? profileName);
  if (camera === undefined) return invalid(api, c, "camera_id (or camera) must name the camera");
  if (profile === undefined) {
    return invalid(api, c, "profile_id (or profile) must name the profile");
  }
  const checked = checkHeartbeat(`camera/${camera}/${profile}`, rest);
  if (!checked.ok) {
    api.ingest.count("invalid");
    return problem(c, checked.code, checked.detail);
  }
  if (!grant.may("heartbeat", checked.runner)) {
    api.ingest.count("forbidden");
    return problem(c, "forbidden", `The key ${grant.id} is not good for ${checked.runner}`);
  }
  const seq = await store(api, checked.runner, checked.data);
  return c.json({ ok: true, runner: checked.runner, seq }, 202);
}

function invalid(api: Api, c: Context, detail: string): Response {
  api.ingest.count("invalid");
  return problem(c, "invalid_body", detail);
}
