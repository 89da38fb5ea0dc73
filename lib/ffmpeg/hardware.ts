/** Which hardware decodes. Whether it really does shows itself: FFmpeg says where it can't. */
import { existsSync, readdirSync } from "node:fs";
import type { Backend } from "../core/camera-session.ts";
import type { Hardware } from "../core/fleet.ts";

const NVIDIA_DEVICE = "/dev/nvidiactl";
const RENDER_DEVICES = "/dev/dri";

/** What is asked for, or for `auto` what this host's device files promise. */
export function backendFor(wanted: Hardware = "none"): Backend {
  if (wanted === "none") return "cpu";
  if (wanted !== "auto") return wanted;
  if (existsSync(NVIDIA_DEVICE)) return "cuda";
  return hasRenderDevice() ? "vaapi" : "cpu";
}

function hasRenderDevice(): boolean {
  try {
    return readdirSync(RENDER_DEVICES).some((name) => name.startsWith("renderD"));
  } catch {
    return false;
  }
}
