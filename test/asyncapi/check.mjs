// Holds the AsyncAPI documents of running bridges against AsyncAPI's own parser, and fails on any error or warning in them.
//
//   node check.mjs PATH-OF-CRM-BRIDGE
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const program = process.argv[2];
if (!program) {
  console.error("usage: node check.mjs PATH-OF-CRM-BRIDGE");
  process.exit(2);
}

const token = "a-token-of-this-check";
const parser = new Parser();
let failures = 0;
const fail = (name, text) => {
  failures++;
  console.error(`FAIL ${name}: ${text}`);
};

// start runs a bridge on free ports, and returns when it serves.
async function start(folder, env) {
  const bridge = spawn(program, [], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env.PATH, BRIDGE_DATA_DIR: join(folder, "data"), BRIDGE_LISTEN: "127.0.0.1:0", BRIDGE_ADMIN_LISTEN: "127.0.0.1:0",
      BRIDGE_NATS_LISTEN: "127.0.0.1:0", BRIDGE_LOG_FORMAT: "json", BRIDGE_ZOHO_TOKENS: `*:${token}`, ...env,
    },
  });
  const ended = once(bridge, "exit");
  for await (const line of createInterface({ input: bridge.stderr })) {
    let said = {};
    try { said = JSON.parse(line); } catch { /* not a line of the log */ }
    if (said.msg === "serving") {
      bridge.stderr.resume();
      return { url: said.callbacks, stop: async () => { bridge.kill("SIGTERM"); await ended; } };
    }
    if (said.level === "ERROR" || !said.msg) console.error(line);
  }
  throw new Error("the bridge has ended");
}

// publish lets the bridge see a module and an operation.
async function publish(url, module, operation) {
  const body = JSON.stringify({ module, operation, ids: ["5725767000003000010"], channel_id: "1", server_time: 1718115953625, token });
  const answer = await fetch(`${url}/zoho/notifications`, { method: "POST", headers: { "content-type": "application/json" }, body });
  if (answer.status !== 200) throw new Error(`${module}.${operation} was answered ${answer.status}: ${await answer.text()}`);
}

// check parses a document. Whatever is worse than information fails.
async function check(name, text, channels) {
  const { document, diagnostics } = await parser.parse(text);
  for (const d of diagnostics.filter((d) => d.severity <= DiagnosticSeverity.Warning)) {
    fail(name, `line ${d.range.start.line + 1}, ${d.path.join(".")}: ${d.message} (${d.code})`);
  }
  if (!document) return fail(name, "is no document");
  const addresses = document.channels().all().map((channel) => channel.address());
  for (const address of channels) {
    if (!addresses.includes(address)) fail(name, `has no channel ${address}: ${addresses.join(" ")}`);
  }
  console.log(`ok   ${name}: AsyncAPI ${document.version()}, ${addresses.length} channels, ${document.messages().all().length} messages`);
}

// refuses proves that the check can fail. (Examples are not held against their schemas by this parser: a Go test does that.)
async function refuses(name, text) {
  const { diagnostics } = await parser.parse(text);
  if (!diagnostics.some((d) => d.severity === DiagnosticSeverity.Error)) fail(name, "is taken, and should not be");
}

const any = ["{module}.{operation}"];
const seen = ["Deals.edit", "Contacts.create", "Sales_Orders.moved"];
const bridges = [
  { name: "nothing seen", env: {}, seen: [] },
  { name: "structured", env: { BRIDGE_PUBLIC_URL: "https://crm.example.com" }, seen },
  { name: "binary", env: { BRIDGE_EVENT_MODE: "binary" }, seen },
  {
    name: "all addresses, password, other names", prefix: "sales", seen,
    env: { BRIDGE_NATS_LISTEN: "0.0.0.0:0", BRIDGE_NATS_LISTEN_USER: "reader", BRIDGE_NATS_LISTEN_PASSWORD: "a-password-of-this-check", BRIDGE_SUBJECT_PREFIX: "sales", BRIDGE_STREAM: "SALES" },
  },
];
for (const { name, env, seen, prefix = "crm" } of bridges) {
  const folder = await mkdtemp(join(tmpdir(), "crm-bridge-asyncapi-"));
  const bridge = await start(folder, env);
  try {
    for (const subject of seen) await publish(bridge.url, ...subject.split("."));
    const answer = await fetch(`${bridge.url}/asyncapi.yaml`);
    const text = await answer.text();
    if (answer.status !== 200) fail(name, `was answered ${answer.status}`);
    if (text.includes(token) || text.includes("a-password-of-this-check")) fail(name, "shows a secret");
    await check(name, text, [...any, ...seen].map((subject) => `${prefix}.zoho.${subject}`));
    if (name === "structured") {
      await refuses("a reference that leads nowhere", text.replace("#/components/messages/zoho-records", "#/components/messages/nothing"));
      await refuses("a type that does not exist", text.replace("type: object", "type: thing"));
      await refuses("a binding of another version", text.replace("bindingVersion: 0.1.0", "bindingVersion: 9.9.9"));
      await refuses("a parameter that is not described", text.replace("crm.zoho.{module}", "crm.zoho.{unknown}"));
    }
  } finally {
    await bridge.stop();
    await rm(folder, { recursive: true });
  }
}
process.exit(failures ? 1 : 0);
