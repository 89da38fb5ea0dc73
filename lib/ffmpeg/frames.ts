import type { FrameFormat } from "../core/camera-session.ts";

/** Bytes of one raw picture. */
export function frameBytes({ width, height, pixels }: FrameFormat): number {
  return width * height * (pixels === "gray" ? 1 : 3);
}

/** Cuts a stream of raw video into pictures; each one is a buffer of its own. */
export function createFrameCutter(
  format: FrameFormat,
  onFrame: (data: Uint8Array) => void,
): (chunk: Buffer) => void {
  const size = frameBytes(format);
  let frame = Buffer.allocUnsafe(size);
  let filled = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      const taken = chunk.copy(frame, filled, at);
      at += taken;
      filled += taken;
      if (filled < size) continue;
      onFrame(frame);
      frame = Buffer.allocUnsafe(size);
      filled = 0;
    }
  };
}
