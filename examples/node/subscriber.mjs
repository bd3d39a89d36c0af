// Prints the changes of orders, each once and in their order.
//
//     node subscriber.mjs PROXY TOPIC GROUP DATABASE
//
// PROXY is the address of RocketMQ's proxy, such as 127.0.0.1:8081. DATABASE is a file of SQLite.

import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from '@photostructure/sqlite'; // As `node:sqlite` of Node.js 22.
import { SimpleConsumer } from 'rocketmq-client-nodejs';

const [proxy, topic, group, file] = process.argv.slice(2);
const database = new DatabaseSync(file);
database.exec(`CREATE TABLE IF NOT EXISTS changes (event_id TEXT PRIMARY KEY NOT NULL, type TEXT NOT NULL,
  order_id TEXT NOT NULL, aggregate_version INTEGER NOT NULL, status TEXT NOT NULL,
  handled INTEGER NOT NULL DEFAULT 0, UNIQUE (order_id, aggregate_version)) STRICT`);
// Each event is delivered at least once, with the same id each time.
const insert = database.prepare('INSERT INTO changes VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (event_id) DO NOTHING');
// They come in any order. An order's versions count its changes from 1, without a gap.
const next = database.prepare(`UPDATE changes SET handled = 1 WHERE order_id = ?1
  AND aggregate_version = 1 + (SELECT count(*) FROM changes WHERE order_id = ?1 AND handled)
  RETURNING event_id, type, order_id, aggregate_version, status`);

function handle(event) {
  // Added members don't raise the schema's version, and are ignored here.
  if (event.specversion !== '1.0' || event.schemaversion !== 1) {
    throw new Error(`not a version that this program reads: ${event.schemaversion}`);
  }
  const { order_id, aggregate_version, status } = event.data;
  const changes = [];
  // One transaction: a kill at any point loses and doubles nothing, because the database decides.
  database.exec('BEGIN IMMEDIATE');
  try {
    const isNew = insert.run(event.id, event.type, order_id, aggregate_version, status).changes > 0;
    for (let rows; (rows = next.all(order_id)).length > 0;) {
      changes.push(...rows); // What is done about a change belongs here.
    }
    database.exec('COMMIT');
    if (isNew && changes.length === 0) console.error(`event ${event.id} waits for an earlier one of its order`);
  } finally {
    if (database.isTransaction) database.exec('ROLLBACK');
  }
  // Not in the transaction: after a kill before this, a change is handled and not printed.
  for (const change of changes) console.log(JSON.stringify(change));
}

const logger = { debug() {}, info() {}, warn: console.error, error: console.error };
const subscriptions = new Map([[topic, '*']]);
const consumer = new SimpleConsumer({ endpoints: proxy, namespace: '', consumerGroup: group, subscriptions, logger });
await consumer.startup();
for (;;) {
  try {
    // For 30 s no other consumer of the group gets these 16 messages. All of them take less.
    for (const message of await consumer.receive(16, 30_000)) {
      try {
        handle(JSON.parse(message.body.toString('utf8')));
        await consumer.ack(message); // Only now that the change is committed.
      } catch (error) {
        // Without an acknowledgement it is delivered again, and in the end it is a dead letter.
        console.error(`message ${message.messageId}: ${error}`);
      }
    }
  } catch (error) {
    console.error(`no messages: ${error}`);
    await sleep(1000);
  }
}
