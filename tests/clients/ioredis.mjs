// ioredis as people use it: `node ioredis.mjs PORT`. At "stop" the node is started again.
import assert from "node:assert/strict";
import { Redis } from "ioredis";

const port = Number(process.argv[2]);
const options = { host: "127.0.0.1", port, retryStrategy: () => 50, maxRetriesPerRequest: null };
const redis = new Redis(options);
const within = setTimeout(() => { console.error("too slow"); process.exit(1); }, 240000);
redis.on("error", () => {});

assert.equal(await redis.ping(), "PONG");
assert.equal(await redis.set("k", "v", "EX", 100), "OK");
assert.equal(await redis.get("k"), "v");
assert.equal(await redis.get("none"), null);
assert.equal(await redis.incrby("n", 5), 5);
assert.equal(await redis.mset({ a: "1", z: "2" }), "OK");
assert.deepEqual(await redis.mget("a", "none", "z"), ["1", null, "2"]);
assert.equal(await redis.hset("h", { f: 1, g: "two" }), 2);
assert.deepEqual(await redis.hgetall("h"), { f: "1", g: "two" });
assert.deepEqual(await redis.getBuffer("k"), Buffer.from("v"));
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await redis.set("bytes", bytes);
assert.deepEqual(await redis.getBuffer("bytes"), bytes);
await assert.rejects(redis.get("h"), /WRONGTYPE/);
await assert.rejects(redis.lpush("list", "1"), /unknown command/);
assert.equal(await redis.call("HF.ADD", "n", "1", "MAX", "6"), "OK");
await assert.rejects(redis.call("HF.ADD", "n", "1", "MAX", "6"), /^ReplyError: LIMIT/);
assert.deepEqual(await redis.call("HF.TXN", "IF", "a", "=", "1", "THEN", "2", "3", "SET", "a", "3", "2", "GET", "z"), ["OK", "2"]);
const keys = [];
for await (const page of redis.scanStream({ match: "*", count: 2 })) {
    keys.push(...page);
}
assert.deepEqual(keys.sort(), ["a", "bytes", "h", "k", "n", "z"]);

// Pipelines and what happens without one: thousands of promises at once.
const pipeline = redis.pipeline();
for (let i = 0; i < 5000; i++) {
    pipeline.incr(i % 2 ? "a:count" : "z:count");
}
const replies = await pipeline.exec();
assert.deepEqual(replies.at(-1), [null, 2500]);
const many = await Promise.all(Array.from({ length: 2000 }, (_, i) => redis.set(`many:${i}`, i)));
assert.ok(many.every((one) => one === "OK"));

// Transactions.
assert.deepEqual(await redis.multi().set("a", 1).incr("z").get("h").exec()
  .then((r) => r.map(([e, v]) => e ? "error" : v)), ["OK", 3, "error"]);
const second = redis.duplicate();
await redis.watch("a");
await second.set("a", "changed");
assert.equal(await redis.multi().set("a", "mine").exec(), null);
assert.equal(await redis.get("a"), "changed");

// Messages.
const sub = redis.duplicate();
await sub.subscribe("news");
const heard = new Promise((resolve) => sub.on("message", (channel, text) => resolve([channel, text])));
assert.equal(await second.publish("news", "hello"), 1);
assert.deepEqual(await heard, ["news", "hello"]);

// The node goes and comes; commands wait, subscriptions are made again.
await redis.set("kept", "1");
const again = new Promise((resolve) => redis.once("ready", resolve));
console.log("stop");
await again;
assert.equal(await redis.get("kept"), "1");
const later = new Promise((resolve) => sub.on("message", (_, text) => resolve(text)));
while (await redis.publish("news", "again") === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
}
assert.equal(await later, "again");

for (const one of [redis, second, sub]) {
    await one.quit();
}
clearTimeout(within);
console.log("done");
