import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MASK, isSecretName, redact, redactDeep, redactJson } from "../../lib/core/redact.ts";

describe("a login in a URL is masked", () => {
  it.each([
    ["plain", "rtsp://viewer:hunter2@10.0.0.7/stream1", "rtsp://***@10.0.0.7/stream1"],
    ["percent-encoded", "rtsp://viewer:hunt%40er%2F2@cam/x", "rtsp://***@cam/x"],
    ["an @ in the password", "rtsp://viewer:hunt@er2@cam/x", "rtsp://***@cam/x"],
    ["two @ in a row", "rtsp://viewer:hunter2@@cam/x", "rtsp://***@cam/x"],
    ["an @ in the user", "https://me@example.org:hunter2@host/x", "https://***@host/x"],
    ["a slash", "rtsp://viewer:hun/ter2@cam/x", "rtsp://***@cam/x"],
    ["a slash first", "rtsp://viewer:/hunter2@cam/x", "rtsp://***@cam/x"],
    ["a slash after digits", "rtsp://viewer:123/hunter2@cam/x", "rtsp://***@cam/x"],
    ["a slash after an @", "rtsp://viewer:hun@t/er2@cam/x", "rtsp://***@cam/x"],
    ["a question mark", "rtsp://viewer:hun?ter2@cam/x", "rtsp://***@cam/x"],
    ["a hash", "rtsp://viewer:hun#ter2@cam/x", "rtsp://***@cam/x"],
    ["a colon", "rtsp://viewer:hun:ter2@cam/x", "rtsp://***@cam/x"],
    ["a double quote", 'rtsp://viewer:hun"ter2@cam/x', "rtsp://***@cam/x"],
    ["a single quote", "rtsp://viewer:hun'ter2@cam/x", "rtsp://***@cam/x"],
    ["a quote last", "rtsp://viewer:hunter2'@cam/x", "rtsp://***@cam/x"],
    ["all punctuation", "rtsp://v:h!#$%^&*()_+-=[]{}|;:,.<>?~`@cam/x", "rtsp://***@cam/x"],
    ["another URL in it", "rtsp://v:hunter://2@cam/x", "rtsp://***@cam/x"],
    ["a user alone", "rtsp://hunter2@cam/x", "rtsp://***@cam/x"],
    ["a password alone", "rtsp://:hunter2@cam/x", "rtsp://***@cam/x"],
    ["IPv6", "rtsp://viewer:hunter2@[fe80::1%25eth0]:554/x", "rtsp://***@[fe80::1%25eth0]:554/x"],
    [
      "an international name",
      "rtsp://viewer:hunter2@überwachung.example/x",
      "rtsp://***@überwachung.example/x",
    ],
    ["no host", "rtsp://viewer:hunter2@", "rtsp://***@"],
    ["capitals", "RTSP://viewer:hunter2@CAM/x", "RTSP://***@CAM/x"],
    ["rtsps", "rtsps://viewer:hunter2@cam:322/x", "rtsps://***@cam:322/x"],
    ["srt", "srt://viewer:hunter2@cam:9000?mode=caller", "srt://***@cam:9000?mode=caller"],
    ["rtmp", "rtmp://viewer:hunter2@cam/app/key", "rtmp://***@cam/app/key"],
    [
      "nats",
      "nats://hunter2@a:4222,nats://u:hunter2@b:4222",
      "nats://***@a:4222,nats://***@b:4222",
    ],
    ["postgres", "postgres://u:hunter2@db:5432/x", "postgres://***@db:5432/x"],
  ])("with %s", (_what, url, shown) => {
    expect(redact(url)).toBe(shown);
    expect(redact(`opening ${url} failed`)).toBe(`opening ${shown} failed`);
    expect(redact(JSON.stringify({ url, mail: "a@b.example" }))).not.toMatch(/hunter|hunt@|ter2/);
    expect(redact(shown)).toBe(shown);
  });

  it.each([
    ["rtsp://a:b@c/d rtsp://e:f@g/h", "rtsp://***@c/d rtsp://***@g/h"],
    ["rtsp://a:b@c/d,rtsp://e:f@g/h", "rtsp://***@c/d,rtsp://***@g/h"],
    ["rtsp://a:b@c/d|http://x/y|rtsp://e:f@g/h", "rtsp://***@c/d|http://x/y|rtsp://***@g/h"],
    ["http://h/?to=https://a:b@c/", "http://h/?to=https://***@c/"],
    ["http://archive.example/https://a:b@c/x", "http://archive.example/https://***@c/x"],
    ["to=rtsp%3A%2F%2Fuser%3Ahunter2%40cam%2Fx&a=1", "to=rtsp%3A%2F%2F***%40cam%2Fx&a=1"],
  ])("each of several: %s", (text, shown) => {
    expect(redact(text)).toBe(shown);
  });

  it.each([
    ['{"url":"rtsp://cam:554/x","mail":"me@example.org"}'],
    ['["rtsp://cam.local:8554/x","me@example.org"]'],
    ["['http://cam/x', 'me@example.org']"],
    ["<https://cam/x>, me@example.org"],
    ["see https://cam.example/a, then ask me@example.org"],
    ["https://example.org/@me/post"],
    ["http://cam:8080/send?mail=me@example.org"],
    ["rtsp://10.0.0.7:554/live@main"],
    ["http://[::1]:8080/a@b"],
    ["[rtsp @ 0x55d0c8a3] method DESCRIBE failed: 401 Unauthorized"],
    ["enforcer@edge-1 has started"],
    ["git@github.example:me/it.git"],
  ])("and what is none stays: %s", (text) => {
    expect(redact(text)).toBe(text);
  });

  it.each([
    [
      '{"url":"rtsp://u:pw@cam/x","mail":"me@example.org"}',
      '{"url":"rtsp://***@cam/x","mail":"me@example.org"}',
    ],
    [
      String.raw`{"a":"{\"url\":\"rtsp://u:pw@cam/x\",\"m\":\"me@b.org\"}"}`,
      String.raw`{"a":"{\"url\":\"rtsp://***@cam/x\",\"m\":\"me@b.org\"}"}`,
    ],
    ["['rtsp://u:pw@cam/x', 'me@example.org']", "['rtsp://***@cam/x', 'me@example.org']"],
    ["<rtsp://u:pw@cam/x> me@example.org", "<rtsp://***@cam/x> me@example.org"],
  ])("and what follows it is not eaten: %s", (text, shown) => {
    expect(redact(text)).toBe(shown);
  });

  it.each([
    [
      '{"a":"from rtsp://cam:554/x","b":"me@b.org"}',
      '{"a":"from rtsp://cam:554/x","b":"me@b.org"}',
    ],
    [
      '{"a":"from rtsp://u:pw@cam/x","b":"me@b.org"}',
      '{"a":"from rtsp://***@cam/x","b":"me@b.org"}',
    ],
    ['["at rtsp://u:pw@cam","me@b.org"]', '["at rtsp://***@cam","me@b.org"]'],
    ['opening rtsp://u:a","b@cam/x', "opening rtsp://***@cam/x"],
    ['"rtsp://u:a",b@cam/x"', '"rtsp://***@cam/x"'],
  ])("and a quote ends it unless a login would be cut in two: %s", (text, shown) => {
    expect(redact(text)).toBe(shown);
  });

  it.each([
    ["rtsp://u:pw@cam/x: Connection refused", "rtsp://***@cam/x: Connection refused"],
    [
      "[in#0 @ 0x5b] Error opening input: Server returned 401 Unauthorized (authorization failed)",
      "[in#0 @ 0x5b] Error opening input: Server returned 401 Unauthorized (authorization failed)",
    ],
    ["Error opening input file rtsp://u:pw@cam/x.", "Error opening input file rtsp://***@cam/x."],
    [
      "Input #0, rtsp, from 'rtsp://u:p'w@cam:554/x':",
      "Input #0, rtsp, from 'rtsp://***@cam:554/x':",
    ],
    [
      "Output #0, flv, to 'rtmp://cam/app pubUser=me pubPasswd=hunter2':",
      "Output #0, flv, to 'rtmp://cam/app pubUser=me pubPasswd=***':",
    ],
    [
      "[tcp @ 0x5] Failed to resolve hostname cam: Name or service not known",
      "[tcp @ 0x5] Failed to resolve hostname cam: Name or service not known",
    ],
  ])("in a line of FFmpeg: %s", (line, shown) => {
    expect(redact(line)).toBe(shown);
  });
});

describe("a secret with a name is masked", () => {
  it.each([
    ["http://cam/x?token=abc123&size=2", "http://cam/x?token=***&size=2"],
    ["http://cam/x?usr=me&pwd=hunter2#top", "http://cam/x?usr=me&pwd=***"],
    ["http://cam/x?sig=abc&key=def&sid=9", "http://cam/x?sig=***&key=***&sid=***"],
    ["srt://cam:9000?passphrase=hunter2hunter2", "srt://cam:9000?passphrase=***"],
    [
      "rtsp://10.0.0.5:554/user=admin&password=hunter2&channel=1",
      "rtsp://10.0.0.5:554/user=admin&password=***&channel=1",
    ],
    ["rtmp://live.example/app/live_7_a8Zb3kQw9x", "rtmp://live.example/app/***"],
    [
      "to rtmps://live.example:443/live2/ab1d-ef2h-ij3l-mn4p failed",
      "to rtmps://live.example:443/live2/*** failed",
    ],
    ["rtmp://cam.example/live/front-door", "rtmp://cam.example/live/front-door"],
    ["password=hunter2", "password=***"],
    ["password: hunter2, user: me", "password: ***, user: me"],
    ["CAMERA_PASSWORD='hun ter2' start", "CAMERA_PASSWORD='***' start"],
    ['{"password":"hun\\"ter2","user":"me"}', '{"password":"***","user":"me"}'],
    ['{"password":12345,"user":"me"}', '{"password":"***","user":"me"}'],
    ['{"token_count":12,"token":abc}', '{"token_count":12,"token":"***"}'],
    [String.raw`"{\"api_key\":\"abc\",\"n\":1}"`, String.raw`"{\"api_key\":\"***\",\"n\":1}"`],
    ["RUNBEAT_READ_KEY=abc up", "RUNBEAT_READ_KEY=*** up"],
    ["X-BISK-KEY: abc", "X-BISK-KEY: ***"],
    ["--api-key abc --name x", "--api-key *** --name x"],
    ["--password=abc --name x", "--password=*** --name x"],
    ["Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"],
    ["Authorization: Basic dXNlcjpwdw==", "Authorization: Basic ***"],
    ['{"authorization":"Bearer abcdef"}', '{"authorization":"Bearer ***"}'],
    ['Authorization: Digest username="me", response="6629fae4"', "Authorization: Digest ***"],
    ["Cookie: sid=abc; theme=dark", "Cookie: ***"],
    ["sent Bearer eyJhbGciOi.J9", "sent Bearer ***"],
  ])("%s", (text, shown) => {
    expect(redact(text)).toBe(shown);
    expect(redact(shown)).toBe(shown);
  });

  it.each([
    ["HTTP Basic authentication failed"],
    ["the camera rejected the password"],
    ["3 passed, 0 failed"],
    ["passed: 5, skipped: 1"],
    ["tokens: 512, tokens=7"],
    ["author=Jane"],
    ["a key frame every 2 s"],
    ['{"password":null}'],
    ["nats.tls_cert and nats.tls_key belong together: give both or neither"],
  ])("and prose stays: %s", (text) => {
    expect(redact(text)).toBe(text);
  });

  it("where the name is one of a setting, variable or header", () => {
    const secret = [
      "DB_PASSWORD",
      "db_pwd",
      "apiKey",
      "X-BISK-KEY",
      "key",
      "Authorization",
      "TOKEN",
    ];
    const harmless = ["PWD", "OLDPWD", "author", "keyframe", "passive", "monkey", "bypass"];
    expect(secret.filter((name) => !isSecretName(name))).toEqual([]);
    expect(harmless.filter(isSecretName)).toEqual([]);
  });
});

describe("JSON that is passed on", () => {
  it("stays JSON, whatever its texts hold, and names no login", () => {
    const piece = fc.oneof(
      fc.constantFrom("rtsp://", "u:hunter2@cam", "@", "://", '"', "\\", "\n", ",", "}", " ", "é"),
      fc.string({ maxLength: 5 }),
    );
    const text = fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(fc.dictionary(fc.string({ maxLength: 5 }), fc.array(text)), (value) => {
        const shown = redactJson(JSON.stringify({ ...value, url: "srt://u:hunter2@cam" }));
        const parsed = JSON.parse(shown) as { readonly url: string };
        expect(parsed.url).toBe("srt://***@cam");
        expect(Object.keys(parsed)).toHaveLength(new Set([...Object.keys(value), "url"]).size);
        expect(shown).not.toMatch(/:\/\/u:hunter2@/);
      }),
      { numRuns: 1_000 },
    );
  });

  it("keeps figures and names as they are", () => {
    const json = '{"key":"front","token":3,"detail":{"password_ok":true},"to":"http://a/b"}';
    expect(redactJson(json)).toBe(json);
  });
});

describe("a value is redacted through and through", () => {
  it("in objects, lists and argument lists", () => {
    const value = {
      argv: ["ffmpeg", "-i", "rtsp://u:pw@cam/x", "--password", "hunter2", "-u", "me:pw", "-y"],
      env: { FRONT_DOOR_PASSWORD: "hunter2", PATH: "/bin", EMPTY_SECRET: "" },
      credentials: { password: { old: "hunter1", pins: [1234] }, note: "rtsp://u:pw@cam" },
      password: 1234,
      tokens: 512,
      none: null,
    };
    expect(redactDeep(value)).toEqual({
      argv: ["ffmpeg", "-i", "rtsp://***@cam/x", "--password", "***", "-u", "me:***", "-y"],
      env: { FRONT_DOOR_PASSWORD: "***", PATH: "/bin", EMPTY_SECRET: "" },
      credentials: { password: { old: "***", pins: ["***"] }, note: "rtsp://***@cam" },
      password: "***",
      tokens: 512,
      none: null,
    });
  });
});

/** Of a login as people choose them: everything but white space. */
const password = fc
  .string({ minLength: 4, maxLength: 24, unit: "grapheme-ascii" })
  .filter((text) => !/\s/.test(text));
const host = fc.constantFrom("cam", "10.0.0.7", "[fe80::1]", "cam.example:8554", "localhost:554");
const scheme = fc.constantFrom("rtsp", "rtsps", "http", "https", "srt", "rtmp");

describe("redaction holds for any password:", () => {
  it("what stands between the user and the host is never shown", () => {
    fc.assert(
      fc.property(scheme, password, host, (scheme, secret, host) => {
        // What looks like the end of a JSON text, or like a port, can't always be told from it.
        fc.pre(!/"(?:,["{[]|[}\]])/.test(secret));
        fc.pre(!/^\d{0,5}[/?#]/.test(secret) || !scheme.startsWith("http"));
        const shown = redact(`opening ${scheme}://viewer:${secret}@${host}/live failed: a@b`);
        expect(shown).toBe(`opening ${scheme}://${MASK}@${host}/live failed: a@b`);
      }),
      { numRuns: 2_000 },
    );
  });

  it("in JSON it is not shown either, and the JSON can still be read", () => {
    fc.assert(
      fc.property(password, host, (secret, host) => {
        const url = `rtsp://viewer:${encodeURIComponent(secret)}@${host}/live`;
        const shown = redact(JSON.stringify({ url, list: [url, url], mail: "a@b.example" }));
        const masked = `rtsp://${MASK}@${host}/live`;
        expect(JSON.parse(shown)).toEqual({
          url: masked,
          list: [masked, masked],
          mail: "a@b.example",
        });
      }),
    );
  });
});

describe("a hostile line of a megabyte", () => {
  // Work that grew with the square of the length would take hours here.
  it.each([
    ["a://a:a@"],
    ["a://a:"],
    ["a://a "],
    ["@"],
    ["@@@@ ://"],
    ["a"],
    [":"],
    ["://"],
    ["-"],
    ["password"],
    ["password="],
    ["password='"],
    ['token=\\"'],
    ["--password "],
    ["secret_"],
    ["%3A%2F%2F"],
    ["Basic "],
    ["Digest username"],
    ["authorization:"],
    ["cookie: "],
    ["\\"],
    ["rtsp://'"],
    ["rtmp://a/b/"],
    [" \t"],
  ])("of %j is done with in time", (piece) => {
    const line = piece.repeat(Math.ceil(1_000_000 / piece.length));
    expect(redact(line).length).toBeGreaterThan(0);
    expect(redact(`password=${line}`).length).toBeGreaterThan(0);
    expect(redact(`rtsp://u:${line}`).length).toBeGreaterThan(0);
    expect(redactJson(line).length).toBeGreaterThan(0);
  });
});
