// Logs in, orders, lists and cancels: node built/client.js API EMAIL PASSWORD
//
// API is the address of the service, such as http://127.0.0.1:8000. It prints a line of JSON for each step.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './openapi.js';

type Order = components['schemas']['Order'];
type Page = components['schemas']['OrderPage'];

const TRIES = 5;

const [baseUrl = '', email = '', password = ''] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl });

function print(step: string, facts: object): void {
  console.log(JSON.stringify({ step, ...facts }));
}

/** The body of a good answer; any other ends the program with what the service says to change. */
function good<Body>(answer: { data?: Body; error?: unknown; response: Response }): Body {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status} ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

async function logIn(): Promise<void> {
  const tokens = good(await api.POST('/v1/users/login', { body: { email, password } }));
  api.use({
    onRequest({ request }) {
      request.headers.set('authorization', `Bearer ${tokens.access_token}`);
      return request;
    },
  });
  print('logged in', { expires_in: tokens.expires_in });
}

/** Creates an order. Tries under one key create no second one, also after an answer that was lost. */
async function order(product_id: number, quantity: number): Promise<Order> {
  const headers = { 'Idempotency-Key': randomUUID() };
  for (let left = TRIES; ; left -= 1) {
    const body = { items: [{ product_id, quantity }] };
    const answer = await api.POST('/v1/orders', { params: { header: headers }, body });
    if (answer.response.status !== 503 || left === 0) return good(answer);
    await sleep(1000 * Number(answer.response.headers.get('retry-after') ?? 2));
  }
}

/** All orders of the user, page by page, the newest first. */
async function* orders(limit: number): AsyncGenerator<Order> {
  let cursor: string | undefined;
  do {
    const page: Page = good(await api.GET('/v1/orders', { params: { query: { limit, cursor } } }));
    yield* page.orders;
    cursor = page.next_cursor;
  } while (cursor !== undefined);
}

await logIn();
const { products } = good(await api.GET('/v1/products'));
const product = products.find((one) => one.available);
if (product === undefined) throw new Error('nothing is in stock');

const created = [await order(product.product_id, 1), await order(product.product_id, 2)];
for (const { order_id, total, currency } of created) print('ordered', { order_id, total, currency });

const listed: string[] = [];
for await (const { order_id } of orders(1)) {
  listed.push(order_id);
  if (listed.length === created.length) break;
}
print('listed', { order_ids: listed });

for (const { order_id } of created) {
  const path = { order_id };
  const { status } = good(await api.POST('/v1/orders/{order_id}/cancel', { params: { path } }));
  print('cancelled', { order_id, status });
}

// What the service refuses has a type, which the compiler knows too.
const refused = await api.GET('/v1/orders/{order_id}', { params: { path: { order_id: randomUUID() } } });
if (refused.error !== undefined && 'type' in refused.error) print('refused', { type: refused.error.type });
