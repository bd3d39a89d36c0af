"""Gives operations that end sessions or accounts or guess a password a user of their own, so that the others go on.
Orders products that exist. Refuses answers with headers that the document does not name. Counts what succeeded, for
`cargo xtask schemathesis`.
"""

import base64
import collections
import itertools
import json
import os
import pathlib
from urllib.parse import urlsplit

import requests
import schemathesis
from requests.adapters import HTTPAdapter
from schemathesis import cli
from schemathesis.engine import events
from schemathesis.transport.requests import ManagedCookiesSession

HARMFUL = {"askToChangeEmail", "changePassword", "deleteAccount", "logOut"}

# Headers of HTTP itself and of API Gateway; a document need not name them.
NOT_OURS = {"apigw-requestid", "connection", "content-length", "content-type", "date", "transfer-encoding"}

# After ten wrong passwords in a row, the next guess at an account has to wait.
USES_MAX = 8

PASSWORD = "a sentence that nobody guesses"

# The demo's products are 1 to 8. The document allows more.
PRODUCTS, PRODUCT_MAX = 8, 2**53 - 1


class FromAddress(HTTPAdapter):
    """Connects from another address of this machine, which the service takes for another network."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


class Guesses:
    """Adapters for logins at random, each for fewer wrong passwords than make a network wait.

    The logins that fetch tokens do not use them, so these go on whatever was guessed.
    """

    PER_NETWORK = 25

    def __init__(self):
        self.numbers = itertools.count()
        self.adapter = None

    def next_adapter(self):
        number = next(self.numbers)
        if number % self.PER_NETWORK == 0:
            network = number // self.PER_NETWORK
            self.adapter = FromAddress(f"127.{4 + network // 256 % 100}.{network % 256}.1")
        return self.adapter


GUESSES = Guesses()
adapter_of = ManagedCookiesSession.get_adapter


def adapter_of_generated(session, url):
    """Schemathesis has no setting for the address that it connects from. All that it generates uses these sessions."""
    return GUESSES.next_adapter() if urlsplit(url).path == "/v1/users/login" else adapter_of(session, url)


ManagedCookiesSession.get_adapter = adapter_of_generated


class Users:
    """Users who are replaced before their guesses have to wait."""

    def __init__(self):
        self.numbers = itertools.count()
        self.token = None
        self.uses = 0

    def next_token(self, base_url):
        if self.token is None or self.uses == USES_MAX:
            self.token, self.uses = self.register(base_url), 0
        self.uses += 1
        return self.token

    def register(self, base_url):
        number = next(self.numbers)
        session = requests.Session()
        # A network may register 200 users an hour.
        session.mount("http://", FromAddress(f"127.3.{number // 100}.1"))
        user = {"email": f"hook-{number}@example.com", "password": PASSWORD}
        session.post(f"{base_url}/v1/users", json=user, timeout=30).raise_for_status()
        answer = session.post(f"{base_url}/v1/users/login", json=user, timeout=30)
        answer.raise_for_status()
        return answer.json()["access_token"]


USERS = Users()


def is_issued(header):
    """Whether an Authorization header has a token of the service, and not one that was made up."""
    scheme, _, token = header.partition(" ")
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return False
    return scheme == "Bearer" and "sub" in claims


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.definition.raw.get("operationId") not in HARMFUL:
        return
    headers = kwargs.get("headers") or case.headers
    header = headers.get("Authorization") if headers else None
    if header and is_issued(header):
        headers["Authorization"] = f"Bearer {USERS.next_token(case.operation.base_url)}"


@schemathesis.hook
def map_body(context, body):
    """Gives half of the orders products that exist: hardly a number at random is one."""
    if context.operation is None or context.operation.definition.raw.get("operationId") != "createOrder":
        return body
    if not isinstance(body, dict) or not isinstance(body.get("items"), list):
        return body
    return {**body, "items": [with_product(item) for item in body["items"]]}


def with_product(item):
    number = item.get("product_id") if isinstance(item, dict) else None
    # What is not valid stays so.
    if type(number) is not int or not PRODUCTS < number <= PRODUCT_MAX or number % 2 == 1:
        return item
    return {**item, "product_id": number // 2 % PRODUCTS + 1}


@schemathesis.check
def no_undocumented_headers(context, response, case):
    documented = case.operation.responses.find_by_status_code(response.status_code)
    if documented is None:
        return
    names = {name.lower() for name, _ in documented.headers.items()}
    unknown = sorted({name.lower() for name in response.headers} - names - NOT_OURS)
    assert not unknown, f"The document does not name {unknown} of an answer with {response.status_code}"


@cli.handler()
class Successes(cli.EventHandler):
    """Counts answers with 2xx by operation, and by link those to requests that followed a link of the document."""

    def __init__(self, *arguments, **options):
        self.operations = collections.Counter()
        self.links = collections.Counter()

    def handle_event(self, ctx, event):
        # The logins that prepare the run say nothing about what it tested.
        if not isinstance(event, events.ScenarioFinished) or not event.is_test_scenario:
            return
        for case_id, node in event.recorder.cases.items():
            response = event.recorder.find_response(case_id=case_id)
            if response is None or response.status_code // 100 != 2:
                continue
            self.operations[node.value.operation.definition.raw.get("operationId")] += 1
            link = node.transition
            # Schemathesis infers links of its own, and now and then ignores what a link gives.
            if link is not None and node.is_transition_applied and not link.is_inferred:
                self.links[link.id] += 1

    def shutdown(self, ctx):
        counts = {"operations": self.operations, "links": self.links}
        pathlib.Path(os.environ["SCHEMATHESIS_SUCCESSES"]).write_text(json.dumps(counts))
