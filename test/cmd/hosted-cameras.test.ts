import { expect, it } from "vitest";
import { withCameraHost } from "../../cmd/hosted-cameras.ts";
import { parseFleet } from "../../config/fleet.ts";

it("keeps one process for the cameras that share one, and only watches them", () => {
  const fleet = parseFleet(
    `
runners:
  camera/one/hd: { camera: { url: "rtsp://10.0.0.1/1", host: true } }
  camera/two/hd: { camera: { url: "rtsp://10.0.0.2/1" } }
`,
    {},
    "fleet.yaml",
  );
  const kept = withCameraHost(fleet, "edge-1.example.org");
  expect([...kept.runners.values()].map(({ runner, driver }) => [runner, driver.kind])).toEqual([
    ["camera/one/hd", "external"],
    ["camera/two/hd", "camera"],
    ["service/camera-host/edge-1-example-org", "camera_host"],
  ]);
});

it("adds nothing to a fleet without such cameras", () => {
  const fleet = parseFleet(`runners: { process/a/default: { command: ["true"] } }`, {}, "f.yaml");
  expect(withCameraHost(fleet)).toBe(fleet);
});
