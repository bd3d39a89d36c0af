"""Prints the changes of orders, each once and in their order: python subscriber.py PROXY TOPIC GROUP JOURNAL

PROXY is the address of RocketMQ's proxy, such as 127.0.0.1:8081. JOURNAL is a file; it stands for the
database of a real subscriber, which stores an event's effect and its id in one transaction.
"""

import json
import os
import signal
import sys
import time
from collections import defaultdict

from rocketmq import ClientConfiguration, Credentials, FilterExpression, SimpleConsumer

# How many messages are fetched at once, and for how long no other consumer of the group gets them. Those that
# are not acknowledged by then are delivered again, so it is longer than all of them take.
BATCH, INVISIBLE_SECONDS = 16, 30


class Orders:
    """The changes of orders that were stored."""

    def __init__(self, journal):
        self.seen = set()
        self.histories = defaultdict(list)  # by order: the statuses that were handled
        self.waiting = defaultdict(dict)  # by order: by version, the changes that wait for an earlier one
        # Each write reaches the disk before the event is acknowledged.
        self.journal = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_DSYNC, 0o644)
        with open(journal, "rb") as lines:
            stored = lines.read()
        # After a crash the last line may be incomplete. Its event was not acknowledged.
        whole = stored[: stored.rfind(b"\n") + 1]
        os.truncate(journal, len(whole))
        for line in whole.splitlines():
            self.remember(json.loads(line))

    def remember(self, change):
        """Returns the changes whose turn it is: none while an earlier one is missing."""
        self.seen.add(change["event_id"])
        history, waiting = self.histories[change["order_id"]], self.waiting[change["order_id"]]
        waiting[change["aggregate_version"]] = change
        changes = []
        # Events are delivered in any order. An order's versions count its changes from 1, without a gap.
        while (change := waiting.pop(len(history) + 1, None)) is not None:
            history.append(change["status"])
            changes.append(change | {"history": list(history)})
        return changes

    def handle(self, event):
        """Stores an event and returns the changes whose turn it is; none if it was stored before."""
        # Each event is delivered at least once, and has the same id each time.
        if event["id"] in self.seen:
            return []
        data = event["data"]
        change = {"event_id": event["id"], "type": event["type"]}
        change |= {name: data[name] for name in ("order_id", "aggregate_version", "status")}
        os.write(self.journal, (json.dumps(change) + "\n").encode())
        changes = self.remember(change)
        if not changes:
            print(f"event {event['id']} waits for an earlier one of its order", file=sys.stderr)
        return changes


def decode(body):
    event = json.loads(body)
    # Added members don't raise the schema's version, and are ignored here.
    if event["specversion"] != "1.0" or event["schemaversion"] != 1:
        raise ValueError(f"not a version that this program reads: {event['schemaversion']}")
    return event


def main():
    proxy, topic, group, journal = sys.argv[1:]
    orders = Orders(journal)
    waiting = stopping = False

    def stop(_signal, _frame):
        nonlocal stopping
        already, stopping = stopping, True
        # A wait for messages is interrupted, the handling of one is not.
        if waiting and not already:
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    consumer = SimpleConsumer(
        ClientConfiguration(proxy, Credentials()), group, {topic: FilterExpression("*")}, await_duration=10
    )
    consumer.startup()
    try:
        while not stopping:
            waiting = True
            try:
                messages = consumer.receive(BATCH, INVISIBLE_SECONDS)
            except Exception as error:
                # The first time the proxy may not know this client yet (apache/rocketmq#8714).
                print(f"no messages: {error}", file=sys.stderr)
                messages = []
                time.sleep(1)
            waiting = False
            for message in messages:
                if stopping:
                    break
                try:
                    for change in orders.handle(decode(message.body)):
                        print(json.dumps(change), flush=True)
                    # Only now that the effect is stored: after a crash before this, it is delivered again.
                    consumer.ack(message)
                except Exception as error:
                    # Without an acknowledgement it is delivered again, and in the end it is a dead letter.
                    print(f"message {message.message_id}: {error!r}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.shutdown()


if __name__ == "__main__":
    main()
