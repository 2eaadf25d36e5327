// Handles every edit of a deal in Zoho CRM once: each one is a line in a file.
// It is an example to copy: replace the line (book.mjs) with your own work.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, credsAuthenticator, nanos } from "@nats-io/transport-node";
import { HTTP } from "cloudevents";
import { Book } from "./book.mjs";

const stream = "CRM";
const subject = "crm.zoho.Deals.edit"; // crm.<provider>.<Module>.<operation>, with * for any one of them
const durable = "deals-js"; // the name under which the server stores this service's position; unique per service

const { NATS_URL, NATS_USER, NATS_PASSWORD, NATS_CREDS, NATS_CA, BOOK } = process.env;

let stopping = false;
let messages; // the messages being consumed
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    stopping = true;
    messages?.stop(); // no new events; those already received are handled
    if (!messages) process.exit(0); // not consuming yet
  });
}

try {
  await run();
  process.exit(0);
} catch (err) {
  console.error("js-consumer:", err.message);
  process.exit(1);
}

async function run() {
  const book = new Book(BOOK || `${durable}.jsonl`);
  const alone = setTimeout(() => console.error("waiting for the bridge"), 5000);
  const nc = await connect({
    servers: NATS_URL || "nats://127.0.0.1:4222",
    name: durable,
    waitOnFirstConnect: true, // and retry for ever
    maxReconnectAttempts: -1,
    reconnectTimeWait: 1000,
    ...(NATS_USER && { user: NATS_USER, pass: NATS_PASSWORD }),
    ...(NATS_CREDS && { authenticator: credsAuthenticator(readFileSync(NATS_CREDS)) }),
    ...(NATS_CA && { tls: { caFile: NATS_CA } }),
  });
  clearTimeout(alone);
  while (!stopping) {
    try {
      await consume(nc, book);
    } catch (err) {
      if (err.fatal || nc.isClosed()) throw err;
      console.error("waiting for the bridge:", err.message);
    }
    if (!stopping) await delay(1000);
  }
  // The last acknowledgements, unless the bridge is unreachable: unacknowledged events are redelivered and recognised.
  await Promise.race([nc.drain(), delay(2000)]).catch(() => {});
}

// consume handles events until it is stopped or something fails.
async function consume(nc, book) {
  const manager = await jetstreamManager(nc);
  const config = {
    durable_name: durable,
    filter_subject: subject,
    ack_policy: AckPolicy.Explicit,
    // Events in flight to a process that died are redelivered after this time, so it must be longer than the work for all that are in
    // flight (max_messages below). They arrive after newer events: compare data.occurredAt.
    ack_wait: nanos(10_000),
  };
  // An existing consumer with another configuration is updated.
  await manager.consumers.add(stream, config).catch(() => manager.consumers.update(stream, durable, config));
  const deals = await jetstream(nc).consumers.get(stream, durable);
  if (stopping) return;
  // An event can have a megabyte, and a NATS server cuts a connection for which 64 MiB wait: so few at a time.
  messages = await deals.consume({ max_messages: 32, abort_on_missing_resource: true });
  for await (const msg of messages) {
    let event;
    try {
      event = decode(msg);
    } catch (err) {
      console.error(`${msg.subject} is skipped: ${err.message}`);
      msg.term("not understood"); // redelivery would not help
      continue;
    }
    const { ids, occurredAt, fields } = event.data;
    const news = book.handle({ id: event.id, deals: ids, occurredAt, changed: fields });
    msg.ack(); // after the work, not before it: if this is lost the event is redelivered, and its id is known
    console.log(`${news ? "handled" : "known  "}  ${msg.subject}  deals ${ids.join(" ")}  account ${event.crmaccount}  id ${event.id}`);
  }
}

// decode reads an event in either content mode (BRIDGE_EVENT_MODE). On NATS the values of headers are percent-encoded;
// apart from that a message looks as one over HTTP does, which the SDK can read.
function decode(msg) {
  const headers = {};
  for (const [name, [value]] of msg.headers ?? []) {
    headers[name] = name.startsWith("ce-") ? decodeURIComponent(value) : value;
  }
  const event = HTTP.toEvent({ headers, body: msg.string() });
  event.validate();
  if (!Array.isArray(event.data?.ids)) throw new Error("its data names no records");
  return event;
}
