// node-redis as people use it, with RESP2 and RESP3: `node node_redis.mjs PORT`. At "stop" the node is started
// again.
import assert from "node:assert/strict";
import { createClient, WatchError } from "redis";

const port = Number(process.argv[2]);
const within = setTimeout(() => { console.error("too slow"); process.exit(1); }, 240000);

async function connect(RESP) {
    const client = createClient({ RESP, socket: { host: "127.0.0.1", port, reconnectStrategy: 50 } });
    client.on("error", () => {});
    await client.connect();
    return client;
}

// Right after a start the node may still be loading, and says so, as Redis does: this client leaves it to its
// user to ask again.
async function loaded(ask) {
    for (;;) {
        try {
            return await ask();
        } catch (error) {
            assert.match(error.message, /^LOADING/);
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
    }
}

async function all(RESP) {
    const client = await connect(RESP);
    const other = await connect(RESP);
    await client.flushAll();
    assert.equal(await client.ping(), "PONG");
    assert.equal(await client.set("k", "v", { EX: 100 }), "OK");
    assert.equal(await client.get("k"), "v");
    assert.equal(await client.get("none"), null);
    assert.equal(await client.incrBy("n", 5), 5);
    assert.equal(await client.mSet([["a", "1"], ["z", "2"]]), "OK");
    assert.deepEqual(await client.mGet(["a", "none", "z"]), ["1", null, "2"]);
    assert.equal(await client.hSet("h", { f: "1", g: "two" }), 2);
    assert.deepEqual({ ...await client.hGetAll("h") }, { f: "1", g: "two" });
    assert.equal(Number(await client.incrByFloat("x", 1.5)), 1.5);
    await assert.rejects(client.get("h"), /WRONGTYPE/);
    await assert.rejects(client.lPush("list", "1"), /unknown command/);
    assert.equal(await client.sendCommand(["HF.ADD", "n", "1", "MAX", "6"]), "OK");
    await assert.rejects(client.sendCommand(["HF.ADD", "n", "1", "MAX", "6"]), /LIMIT/);
    const range = await client.sendCommand(["HF.RANGE", "a", "b", "VALUES"]);
    assert.deepEqual(range, RESP === 3 ? [["a", "1"]] : ["a", "1"]);
    assert.deepEqual((await client.configGet("appendonly")).appendonly, "yes");
    const keys = [];
    for await (const page of client.scanIterator({ MATCH: "*", COUNT: 2 })) {
        keys.push(...(Array.isArray(page) ? page : [page]));
    }
    assert.deepEqual(keys.sort(), ["a", "h", "k", "n", "x", "z"]);

    const many = await Promise.all(Array.from({ length: 3000 }, (_, i) => client.incr(i % 2 ? "a:count" : "z:count")));
    assert.equal(many.at(-1), 1500);

    assert.deepEqual(await client.multi().set("a", "1").incr("z").get("k").exec(), ["OK", 3, "v"]);
    await client.watch("a");
    await other.set("a", "changed");
    await assert.rejects(client.multi().set("a", "mine").exec(), WatchError);
    assert.equal(await client.get("a"), "changed");

    let hear;
    const heard = new Promise((resolve) => { hear = resolve; });
    await other.subscribe("news", (text) => hear(text));
    assert.equal(await client.publish("news", "hello"), 1);
    assert.equal(await heard, "hello");
    return [client, other];
}

const two = await all(2);
for (const client of two) {
    await client.close();
}
const [client, other] = await all(3);

await client.set("kept", "1");
const again = new Promise((resolve) => client.once("ready", resolve));
console.log("stop");
await again;
assert.equal(await loaded(() => client.get("kept")), "1");
let hear;
const heard = new Promise((resolve) => { hear = resolve; });
await other.subscribe("later", (text) => hear(text));
while (await client.publish("later", "again") === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
}
assert.equal(await heard, "again");
await client.close();
await other.close();
clearTimeout(within);
console.log("done");
