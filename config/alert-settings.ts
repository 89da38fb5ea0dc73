/** Settings of the sentinel: which alerts there are, how they are grouped, and who is told. */
import { z } from "zod";
import { ALERT_TYPES, SEVERITIES } from "../lib/core/alert.ts";
import { items, seconds } from "./setting-kinds.ts";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const ruleSchema = z
  .strictObject({
    type: z.enum(ALERT_TYPES),
    enabled: z.boolean().optional(),
    severity: z.enum(["critical", "warning"]).optional(),
    for_sec: z.number().min(0).optional(),
    limit: z.number().min(0).optional(),
  })
  .transform(({ for_sec: forSec, ...rest }) => ({ ...rest, forSec }));

const common = {
  name: z.string().regex(NAME),
  min_severity: z.enum(SEVERITIES).default("warning"),
};
const url = z.url({ protocol: /^https?$/ });

const sinkSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("log"), ...common }),
  z.strictObject({ type: z.literal("slack"), ...common, url }),
  z.strictObject({
    type: z.literal("webhook"),
    ...common,
    url,
    secret: z.string().min(8).optional(),
  }),
  z.strictObject({
    type: z.literal("email"),
    ...common,
    host: z.string().min(1),
    port: z.number().int().min(1).max(65_535).default(587),
    secure: z.boolean().default(false),
    user: z.string().min(1).optional(),
    password: z.string().optional(),
    from: z.string().min(3),
    to: z.array(z.string().min(3)).min(1),
  }),
]);

export const sentinel = {
  retireAfterSec: seconds({
    about:
      "A runner that no fleet file names is retired after being offline for so long; 0 is never",
    fallback: 86_400,
    min: 0,
  }),
  summaryEverySec: seconds({
    about: "How often a health summary goes onto the stream of alerts; 0 is never",
    fallback: 60,
    min: 0,
  }),
};

export const alerts = {
  groupWaitSec: seconds({
    about: "So long a new alert waits for more members before it is told",
    fallback: 10,
    min: 0,
  }),
  growEverySec: seconds({
    about: "An alert that grows is told again at most so often",
    fallback: 60,
    min: 0,
  }),
  resolveAfterSec: seconds({
    about: "An alert is over once all of its members have been well for so long",
    fallback: 15,
    min: 0,
  }),
  flapWindowSec: seconds({
    about: "The time within which falls from online are counted for flapping",
    fallback: 600,
    min: 1,
  }),
  rules: items<z.infer<typeof ruleSchema>>({
    about: "Changes of single rules: type, enabled, severity, for_sec, limit",
    fallback: [],
    fallbackText: "the built-in rules",
    item: ruleSchema,
    allowed: `a list of {type: ${ALERT_TYPES.join(" | ")}, enabled, severity: critical | warning, for_sec, limit}`,
  }),
  sinks: items<z.infer<typeof sinkSchema>>({
    about: "Who is told: log, webhook, slack and email, each with a name and a min_severity",
    fallback: [{ name: "log", type: "log", min_severity: "warning" }],
    fallbackText: "the log",
    item: sinkSchema,
    allowed:
      "a list of {name, type: log}, {name, type: slack, url}, {name, type: webhook, url, secret} " +
      "or {name, type: email, host, port, secure, user, password, from, to: [...]}, each with min_severity",
    secret: true,
  }),
};
