#include "tests/unit/node/fake_shard.h"
#include "engine/base/assert.h"
#include "engine/shard/shard.h"
#include <unistd.h>

enum { BOOT_TURNS = 3, LATE_TURNS = 20 };

struct hf_shard {
    hf_io *io;
    uint32_t turns;
    bool stopping, stopped;
};

fake_shard fake_shard_does;

static bool is_odd_one(const hf_shard *shard, fake_shard kind)
{
    return fake_shard_does == kind && shard->io->core == 1;
}

hf_shard_config hf_shard_defaults(void)
{
    return (hf_shard_config){ .connections_max = 100, .log_flushes = 1 };
}

uint64_t hf_shard_least_bytes(const hf_shard_config *config)
{
    HF_ASSERT(config->node_id != 0);
    return 1 << 20;
}

hf_shard *hf_shard_open(hf_io *io, void *region, uint64_t size, const hf_shard_config *config)
{
    hf_shard *shard = region;
    HF_ASSERT(size >= hf_shard_least_bytes(config));
    *shard = (hf_shard){ .io = io };
    return is_odd_one(shard, FAKE_NO_ROOM) ? NULL : shard;
}

void hf_shard_close(hf_shard *shard)
{
    HF_ASSERT(shard->io != NULL);
}

static uint64_t on_turn(void *context)
{
    hf_shard *shard = context;
    shard->turns++;
    shard->stopped = shard->stopping && !is_odd_one(shard, FAKE_NEVER_STOPS);
    if (shard->turns > LATE_TURNS && is_odd_one(shard, FAKE_DIES)) {
        shard->io->ops->fatal(shard->io, 74, "the log failed: \"flush\": Input/output error");
    }
    while (shard->turns > LATE_TURNS && is_odd_one(shard, FAKE_HANGS)) {
        (void)pause();
    }
    return shard->turns > LATE_TURNS ? UINT64_MAX : shard->io->now_ns + 1000000;
}

static void on_message(void *context, const hf_msg *msg)
{
    (void)context;
    (void)msg;
    HF_UNREACHABLE();
}

static void on_message_back(void *context, hf_msg *msg)
{
    on_message(context, msg);
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    hf_shard *shard = context;
    (void)listener;
    shard->io->ops->conn_close(shard->io, conn);
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    (void)context;
    (void)conn;
    (void)data;
}

static void on_sent(void *context, hf_conn_id conn)
{
    (void)context;
    (void)conn;
}

const hf_io_handler *hf_shard_handler(void)
{
    static const hf_io_handler handler = { .on_message = on_message,
                                           .on_message_back = on_message_back,
                                           .on_accept = on_accept,
                                           .on_received = on_received,
                                           .on_sent = on_sent,
                                           .on_closed = on_sent,
                                           .on_turn = on_turn };
    return &handler;
}

void hf_shard_stop(hf_shard *shard)
{
    shard->stopping = true;
}

bool hf_shard_stopped(const hf_shard *shard)
{
    return shard->stopped;
}

bool hf_shard_ready(const hf_shard *shard)
{
    return shard->turns > BOOT_TURNS;
}

bool hf_shard_stop_requested(const hf_shard *shard)
{
    return shard->turns > LATE_TURNS && is_odd_one(shard, FAKE_ASKS);
}

void hf_shard_stats_get(const hf_shard *shard, hf_shard_stats *stats)
{
    *stats = (hf_shard_stats){ .keys = 10u + shard->io->core, .recovered_records = 100 };
}
