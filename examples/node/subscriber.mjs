// Prints the changes of orders, each once and in their order: node subscriber.mjs PROXY TOPIC GROUP JOURNAL
//
// PROXY is the address of RocketMQ's proxy, such as 127.0.0.1:8081. JOURNAL is a file; it stands for the
// database of a real subscriber, which stores an event's effect and its id in one transaction.

import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SimpleConsumer } from 'rocketmq-client-nodejs';

// How many messages are fetched at once, and for how long no other consumer of the group gets them. Those that
// are not acknowledged by then are delivered again, so it is longer than all of them take.
const BATCH = 16;
const INVISIBLE_MS = 30_000;

const [proxy, topic, group, journalFile] = process.argv.slice(2);
const seen = new Set();
// By order: the statuses that were handled, and by version the changes that wait for an earlier one.
const orders = new Map();

/** Returns the changes whose turn it is: none while an earlier one is missing. */
function remember(change) {
  seen.add(change.event_id);
  if (!orders.has(change.order_id)) orders.set(change.order_id, { history: [], waiting: new Map() });
  const { history, waiting } = orders.get(change.order_id);
  waiting.set(change.aggregate_version, change);
  const changes = [];
  // Events are delivered in any order. An order's versions count its changes from 1, without a gap.
  for (let next; (next = waiting.get(history.length + 1)) !== undefined;) {
    waiting.delete(next.aggregate_version);
    history.push(next.status);
    changes.push({ ...next, history: [...history] });
  }
  return changes;
}

function decode(body) {
  const event = JSON.parse(body.toString('utf8'));
  // Added members don't raise the schema's version, and are ignored here.
  if (event.specversion !== '1.0' || event.schemaversion !== 1) {
    throw new Error(`not a version that this program reads: ${event.schemaversion}`);
  }
  return event;
}

/** Stores an event and returns the changes whose turn it is; none if it was stored before. */
function handle(event) {
  // Each event is delivered at least once, and has the same id each time.
  if (seen.has(event.id)) return [];
  const { order_id, aggregate_version, status } = event.data;
  if (typeof order_id !== 'string' || !Number.isInteger(aggregate_version) || typeof status !== 'string') {
    throw new Error(`event ${event.id} is not a change of an order`);
  }
  const change = { event_id: event.id, type: event.type, order_id, aggregate_version, status };
  writeSync(journal, JSON.stringify(change) + '\n');
  const changes = remember(change);
  if (changes.length === 0) console.error(`event ${event.id} waits for an earlier one of its order`);
  return changes;
}

// 'as': each write reaches the disk before the event is acknowledged.
const journal = openSync(journalFile, 'as+');
const stored = readFileSync(journalFile, 'utf8');
// After a crash the last line may be incomplete. Its event was not acknowledged.
const whole = stored.slice(0, stored.lastIndexOf('\n') + 1);
truncateSync(journalFile, Buffer.byteLength(whole));
whole.split('\n').filter(Boolean).forEach(line => remember(JSON.parse(line)));

const logger = { debug() {}, info() {}, warn: console.error, error: console.error };
const consumer = new SimpleConsumer({
  endpoints: proxy, namespace: '', consumerGroup: group, subscriptions: new Map([[topic, '*']]),
  awaitDuration: 10_000, logger,
});
let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  await consumer.shutdown();
  closeSync(journal);
  // The request for messages that is under way cannot be cancelled.
  process.exit(0);
}
process.on('SIGTERM', stop).on('SIGINT', stop);

await consumer.startup();
while (!stopping) {
  let messages = [];
  try {
    messages = await consumer.receive(BATCH, INVISIBLE_MS);
  } catch (error) {
    if (stopping) break;
    console.error(`no messages: ${error}`);
    await sleep(1000);
  }
  for (const message of messages) {
    if (stopping) break;
    try {
      for (const change of handle(decode(message.body))) console.log(JSON.stringify(change));
      // Only now that the effect is stored: after a crash before this, the event is delivered again.
      await consumer.ack(message);
    } catch (error) {
      // Without an acknowledgement it is delivered again, and in the end it is a dead letter of the group.
      console.error(`message ${message.messageId}: ${error}`);
    }
  }
}
