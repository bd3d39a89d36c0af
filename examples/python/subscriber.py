"""Prints the changes of orders, each once and in their order.

python subscriber.py PROXY TOPIC GROUP DATABASE
PROXY is the address of RocketMQ's proxy, such as 127.0.0.1:8081. DATABASE is a file of SQLite.
"""

import json, signal, sqlite3, sys, time

from rocketmq import ClientConfiguration, Credentials, FilterExpression, SimpleConsumer

TABLE = """CREATE TABLE IF NOT EXISTS changes (event_id TEXT PRIMARY KEY NOT NULL, type TEXT NOT NULL,
    order_id TEXT NOT NULL, aggregate_version INTEGER NOT NULL, status TEXT NOT NULL,
    handled INTEGER NOT NULL DEFAULT 0, UNIQUE (order_id, aggregate_version)) STRICT"""
# Each event is delivered at least once, with the same id each time.
INSERT = "INSERT INTO changes VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (event_id) DO NOTHING"
# They come in any order. An order's versions count its changes from 1, without a gap.
NEXT = """UPDATE changes SET handled = 1 WHERE order_id = ?1
    AND aggregate_version = 1 + (SELECT count(*) FROM changes WHERE order_id = ?1 AND handled)
    RETURNING json_object('event_id', event_id, 'type', type, 'order_id', order_id,
        'aggregate_version', aggregate_version, 'status', status)"""


def handle(event):
    # Added members don't raise the schema's version, and are ignored here.
    if event["specversion"] != "1.0" or event["schemaversion"] != 1:
        raise ValueError(f"not a version that this program reads: {event['schemaversion']}")
    order, changes = event["data"], []
    row = event["id"], event["type"], order["order_id"], order["aggregate_version"], order["status"]
    # One transaction: a kill at any point loses and doubles nothing, because the database decides.
    with database:
        is_new = database.execute(INSERT, row).rowcount > 0
        while rows := database.execute(NEXT, [order["order_id"]]).fetchall():
            changes += rows  # What is done about a change belongs here.
    if is_new and not changes:
        print(f"event {event['id']} waits for an earlier one of its order", file=sys.stderr)
    # Not in the transaction: after a kill before this, a change is handled and not printed.
    for (line,) in changes:
        print(line, flush=True)


signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, as SIGTERM does.
proxy, topic, group, file = sys.argv[1:]
database = sqlite3.connect(file)
database.execute(TABLE)
consumer = SimpleConsumer(ClientConfiguration(proxy, Credentials()), group, {topic: FilterExpression("*")})
consumer.startup()
while True:
    try:
        # For 30 s no other consumer of the group gets these 16 messages. All of them take less.
        messages = consumer.receive(16, 30)
    except Exception as error:
        # The first time the proxy may not know this client yet (apache/rocketmq#8714).
        print(f"no messages: {error}", file=sys.stderr)
        time.sleep(1)
        continue
    for message in messages:
        try:
            handle(json.loads(message.body))
            consumer.ack(message)  # Only now that the change is committed.
        except Exception as error:
            # Without an acknowledgement it is delivered again, and in the end it is a dead letter.
            print(f"message {message.message_id}: {error!r}", file=sys.stderr)
