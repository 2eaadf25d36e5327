"""Keeps a table of Zoho CRM's deals in memory, from the stream of records: first each deal as it is, then every change.

It is an example to copy: replace what prints with your own work.
"""

import asyncio
import json
import os
import ssl
import sys
from decimal import Decimal

import nats
from nats.errors import Error, TimeoutError
from nats.js.api import ConsumerConfig, DeliverPolicy

STREAM = os.environ.get("STREAM", "CRM_RECORDS")
SUBJECT = os.environ.get("SUBJECT", "crm-records.zoho.*.Deals.*")

# A state can have a megabyte or two, and a NATS server cuts a connection for which 64 MiB wait: so few at a time.
AT_ONCE = 32


class Table:
    """The deals as they are."""

    def __init__(self):
        self.deals = {}  # by partitionkey
        self.sequences = {}  # of the last state of each deal, also of those that were deleted
        self.complete = False  # every deal was read

    def take(self, msg):
        """Applies a state, unless it is redelivered after a later one of its deal."""
        state = decode(msg)
        key = "/".join((state["provider"], state["account"], state["module"], state["id"]))
        sequence = msg.metadata.sequence.stream
        if sequence <= self.sequences.get(key, 0):
            return
        self.sequences[key] = sequence
        deal = state["after"]
        if deal is None:
            self.deals.pop(key, None)
        else:
            self.deals[key] = deal
        show(deal=key, record=deal)


def decode(msg):
    """Returns the data of a state in either content mode (BRIDGE_EVENT_MODE). Header names are in lower case."""
    text = json.loads(msg.data, parse_float=Decimal)  # no digit changes
    kind = (msg.headers or {}).get("content-type", "")
    return text["data"] if kind.startswith("application/cloudevents+json") else text


async def follow(connection):
    """Fills a new table and keeps it, until the stream or the consumer is gone."""
    table = Table()
    show(begins=STREAM)
    states = await connection.jetstream().pull_subscribe(
        SUBJECT,
        stream=STREAM,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, inactive_threshold=300),
    )
    pending = (await states.consumer_info()).num_pending
    try:
        while True:
            if pending == 0 and not table.complete:
                table.complete = True
                show(complete=len(table.deals))
            try:
                messages = await states.fetch(AT_ONCE, timeout=5)
            except TimeoutError:  # nothing has changed, or the server is down
                continue
            for msg in messages:
                table.take(msg)
                await msg.ack()
                pending = msg.metadata.num_pending
    finally:
        await states.unsubscribe()


def show(**line):
    """Prints a line of JSON, with the decimals of numbers as text."""
    print(json.dumps(line, ensure_ascii=False, default=str), flush=True)


async def main():
    options = {"name": "python-table", "max_reconnect_attempts": -1, "reconnect_time_wait": 1}
    if user := os.environ.get("NATS_USER"):
        options.update(user=user, password=os.environ.get("NATS_PASSWORD"))
    if creds := os.environ.get("NATS_CREDS"):
        options.update(user_credentials=creds)
    if ca := os.environ.get("NATS_CA"):
        options.update(tls=ssl.create_default_context(cafile=ca))
    connection = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), **options)
    while not connection.is_closed:
        try:
            await follow(connection)
        except Error as err:
            print("waiting for the bridge:", err, file=sys.stderr, flush=True)
            await asyncio.sleep(1)
    sys.exit("the connection was closed")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
