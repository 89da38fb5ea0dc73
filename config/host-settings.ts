/** Settings of what runners may take of their host, and of the looks at the host itself. */
import { decimal, flag, orNone, seconds, text, wholeNumber } from "./setting-kinds.ts";

function percent(about: string, fallback: number) {
  return decimal({ about, fallback, min: 1, max: 100 });
}

export const resources = {
  maxFps: decimal({
    about: "More pictures a second than this of one camera are not analysed",
    fallback: 30,
    min: 0.1,
  }),
  maxMemoryPercent: percent("Analysing is throttled while more memory than this is used", 80),
  maxQueueSize: wholeNumber({
    about: "Analysing is throttled while a queue is longer than this",
    fallback: 1_000,
    min: 1,
  }),
  checkEverySec: seconds({
    about: "How often a runner looks whether it must throttle",
    fallback: 5,
    min: 0.1,
  }),
  gpu: flag({
    about: "Whether runners on an NVIDIA GPU tell how much of its memory they use",
    fallback: true,
  }),
};

export const checks = {
  everySec: seconds({ about: "How often the host is looked at", fallback: 30, min: 1 }),
  diskWarnPercent: percent("From this much used the disk of the data folder warns", 85),
  diskErrorPercent: percent("From this much used it fails", 95),
  memoryWarnPercent: percent("From this much used the memory warns", 80),
  memoryErrorPercent: percent("From this much used it fails", 90),
  cpuWarnPercent: percent("From this much used the processor warns", 90),
  reach: orNone(
    text({
      about: "What the network must reach: host:port, or a host to look up; several by commas",
      fallback: "",
    }),
    "the NATS servers, or loopback with the embedded one",
  ),
};
