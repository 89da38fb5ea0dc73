import { expect, test } from "vitest";
import { parseServerList } from "../../lib/nats/server-list.ts";

test.each([
  ["localhost", ["localhost:4222"], false],
  ["nats://a:1,tls://b , c:3", ["a:1", "b:4222", "c:3"], true],
  ["nats://[::1]:4333/", ["[::1]:4333"], false],
  ["TLS://Host.example:443", ["Host.example:443"], true],
])("reads %s", (url, servers, tls) => {
  expect(parseServerList(url)).toMatchObject({ servers, tls });
});

test("the shown form has no login", () => {
  const list = parseServerList("nats://ops:s3cret@a:1,nats://b");
  expect(list).toMatchObject({ user: "ops", password: "s3cret" });
  expect(list.shown).toBe("nats://a:1, nats://b:4222");
});

test.each([
  ["", /names no server/],
  ["http://a:4222", /http:\/\/ is not a NATS scheme/],
  ["nats://a:99999", /port 99999 is not from 1 to 65535/],
  ["nats://a:4222/path", /no host, or more/],
  ["nats://:4222", /no host/],
  ["nats://u:pw@a b:1", /nats:\/\/\*\*\*@a b:1/],
])("refuses %j", (url, message) => {
  expect(() => parseServerList(url)).toThrow(message);
});
