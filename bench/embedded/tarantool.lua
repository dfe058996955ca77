#!/usr/bin/tarantool
-- Question: the same transfers, durable before their end is told, with Tarantool in the same process.
--
-- usage: tarantool tarantool.lua DIR KIND KEYS HOT DEPTH SECONDS WARMUP
--
-- One thread runs transactions one after the other and is the caller too; another writes the log, fsync
-- before the answer (wal_mode), everything that waited in one write. DEPTH fibers each keep one transaction
-- under way. Prints one line of JSON with the names of holdfast-embedded; its engine and its caller share a
-- thread, so all processor time is under engine_us.
local clock, fiber, json = require('clock'), require('fiber'), require('json')

local dir, kind = arg[1], arg[2]
local keys, hot, depth = tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local seconds, warmup = tonumber(arg[6]), tonumber(arg[7])
local BALANCE = 1000000

box.cfg {
    work_dir = dir, log = 'log', wal_mode = 'fsync', memtx_memory = 512 * 1024 * 1024,
    checkpoint_interval = 0, net_msg_max = 4096,
}
local accounts = box.schema.space.create('accounts')
accounts:create_index('primary', { type = 'hash', parts = { 1, 'string' } })
box.begin()
for i = 0, keys - 1 do
    accounts:insert({ string.format('acct:%08d', i), BALANCE })
    if i % 1000 == 999 then
        box.commit()
        box.begin()
    end
end
box.commit()

local function key_of(account)
    return string.format('acct:%08d', account)
end

local minus, plus = { { '-', 2, 1 } }, { { '+', 2, 1 } }

local function transfer()
    local from = math.random(0, keys - 1)
    local to = math.random(1, 100) <= hot and 0 or math.random(0, keys - 1)
    to = to == from and (to + 1) % keys or to
    box.begin()
    if accounts:get(key_of(from))[2] < 1 then
        box.rollback()
        return
    end
    accounts:update(key_of(from), minus)
    accounts:update(key_of(to), plus)
    box.commit()
end

local function add()
    accounts:update(key_of(math.random(0, keys - 1)), plus)
end

local function get()
    return accounts:get(key_of(math.random(0, keys - 1)))
end

local operation = ({ transfer = transfer, ['local'] = transfer, add = add, get = get })[kind]
local measuring, over, ended, took = false, false, 0, {}

local function work()
    local since_yield = 0
    while not over do
        local begun = clock.monotonic64()
        operation()
        if measuring then
            ended = ended + 1
            if ended % 64 == 0 then
                table.insert(took, tonumber(clock.monotonic64() - begun) / 1000)
            end
        end
        since_yield = since_yield + 1
        if kind == 'get' and since_yield % 256 == 0 then -- a read waits for nothing
            fiber.sleep(0)
        end
    end
end

local working = {}
for _ = 1, depth do
    local one = fiber.new(work)
    one:set_joinable(true)
    table.insert(working, one)
end
fiber.sleep(warmup)
local processor, begun = clock.proc(), clock.monotonic()
measuring = true
fiber.sleep(seconds)
measuring = false
local elapsed, used = clock.monotonic() - begun, clock.proc() - processor
over = true
for _, one in ipairs(working) do
    one:join()
end

if kind == 'transfer' or kind == 'local' then
    local sum = 0
    for _, one in accounts:pairs() do
        sum = sum + one[2]
    end
    if sum ~= keys * BALANCE then
        io.stderr:write('tarantool.lua: the sum is ', tostring(sum), '\n')
        os.exit(1)
    end
end
table.sort(took)
local function quantile(share)
    return took[math.max(1, math.ceil(#took * share))] or 0
end
print(json.encode({
    kind = kind, depth = depth, hot = hot, version = _TARANTOOL, operations_s = ended / elapsed,
    engine_us = used * 1e6 / math.max(ended, 1), client_us = 0, p50_us = quantile(0.5), p99_us = quantile(0.99),
}))
os.exit(0)
