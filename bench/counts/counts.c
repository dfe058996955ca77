/* holdfast-counts: what one request costs, in things that can be counted exactly.
 *
 * The question: how many instructions, allocations, messages between cores, flushes, log bytes and
 * sends does the engine spend on one request? It runs the engine in the simulated world
 * (tests/sim), without faults, under a fixed load in a closed loop: the same binary gives the same
 * figures on every machine, however busy.
 *
 * What is counted lies between the seam's two sides: everything that the engine's handlers do, and
 * nothing of what the world does for them. Instructions need callgrind (bench/counts/run): the
 * collection is on only inside the handlers, and one dump is written for each load.
 */
#include "engine/base/assert.h"
#include "engine/base/heap.h"
#include "engine/base/prng.h"
#include "engine/command/command.h"
#include "engine/shard/session/local.h"
#include "engine/shard/shard.h"
#include "net/wire/resp.h"
#include "tests/sim/world.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

enum {
    CORES = 2,
    KEYS = 4000,
    CLIENTS_MAX = 50,
    PIPELINE_MAX = 64,
    VALUE_SIZE = 64,
    REQUEST_MAX = 256,
    REPLIES_MAX = 64 * 1024,
    OPS_MAX = 64,
    REGION_BYTES = 192 << 20,
    REGION_ALIGN = 1 << 16,
    SEGMENT_BYTES = 4 << 20, /* zeros to be written under valgrind */
    US = 1000,
};
#define VIRTUAL_LIMIT UINT64_C(600000000000)

/* The first half of the accounts and of the keys lies at core 0, the rest at core 1. */
static const char splits[] = "account:000000002000,b,key:000000002000";

typedef enum load_kind {
    LOAD_FILL,
    LOAD_SET,
    LOAD_GET,
    LOAD_TRANSFER,
    LOAD_MULTI,
    LOAD_LOCAL, /* transfers of clients in this process, each over both cores */
} load_kind;

typedef struct load {
    const char *name;
    load_kind kind;
    uint32_t clients;
    uint32_t pipeline;
    uint32_t hot_percent;
    uint32_t requests; /* counted; before them a tenth as many */
} load;

static const load loads[] = {
    { "set-c50-p16", LOAD_SET, 50, 16, 0, 8000 },
    { "set-c50-p1", LOAD_SET, 50, 1, 0, 4000 },
    { "set-c1-p1", LOAD_SET, 1, 1, 0, 500 },
    { "get-c50-p16", LOAD_GET, 50, 16, 0, 8000 },
    { "transfer-p16", LOAD_TRANSFER, 50, 16, 0, 4000 },
    { "transfer-p16-hot", LOAD_TRANSFER, 50, 16, 90, 4000 },
    { "transfer-p16-multi", LOAD_MULTI, 50, 16, 0, 4000 },
    { "transfer-p1", LOAD_TRANSFER, 50, 1, 0, 2000 },
    { "embedded-transfer", LOAD_LOCAL, 2, 64, 0, 4000 },
};
enum { LOADS = sizeof loads / sizeof loads[0] };

/* ---- Counting at the seam ---- */

typedef struct counts {
    uint64_t turns, messages, sends, flushes, flushed_bytes, allocations;
} counts;

typedef struct seam_op {
    hf_io_op *op;
    void (*done)(hf_io_op *op, int64_t result);
} seam_op;

typedef struct seam {
    const hf_io_ops *world;
    const hf_io_handler *shard;
    hf_io_ops ops;
    hf_io_handler handler;
    seam_op under_way[OPS_MAX];
    counts count;
    bool on; /* collecting */
} seam;

static seam s;

void *__real_hf_heap_take(hf_heap *heap, size_t size); /* NOLINT: the linker's name */
void *__wrap_hf_heap_take(hf_heap *heap, size_t size); /* NOLINT */
void *__wrap_hf_heap_take(hf_heap *heap, size_t size)  /* NOLINT */
{
    s.count.allocations++;
    return __real_hf_heap_take(heap, size);
}

static void toggle(void)
{
    if (s.on) {
        CALLGRIND_TOGGLE_COLLECT;
    }
}

static void op_done(hf_io_op *op, int64_t result)
{
    seam_op *at = s.under_way;
    while (at->op != op) {
        at++;
        HF_ASSERT(at < s.under_way + OPS_MAX);
    }
    op->done = at->done;
    at->op = NULL;
    toggle();
    op->done(op, result);
    toggle();
}

static void submit(hf_io *io, hf_io_op *op)
{
    toggle();
    seam_op *at = s.under_way;
    while (at->op != NULL) {
        at++;
        HF_ASSERT(at < s.under_way + OPS_MAX);
    }
    *at = (seam_op){ op, op->done };
    op->done = op_done;
    if (op->kind == HF_IO_WRITE && (op->flags & HF_IO_DURABLE) != 0) {
        s.count.flushes++;
        s.count.flushed_bytes += op->size;
    }
    s.world->submit(io, op);
    toggle();
}

static void post(hf_io *io, uint16_t to, hf_msg *msg)
{
    toggle();
    s.count.messages++;
    s.world->post(io, to, msg);
    toggle();
}

static void conn_send(hf_io *io, hf_conn_id conn, hf_bytes data)
{
    toggle();
    s.count.sends++;
    s.world->conn_send(io, conn, data);
    toggle();
}

static void on_message(void *context, const hf_msg *msg)
{
    toggle();
    s.shard->on_message(context, msg);
    toggle();
}

static void on_message_back(void *context, hf_msg *msg)
{
    toggle();
    s.shard->on_message_back(context, msg);
    toggle();
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    toggle();
    s.shard->on_received(context, conn, data);
    toggle();
}

static void on_sent(void *context, hf_conn_id conn)
{
    toggle();
    s.shard->on_sent(context, conn);
    toggle();
}

static uint64_t on_turn(void *context)
{
    s.count.turns++;
    toggle();
    uint64_t due = s.shard->on_turn(context);
    toggle();
    return due;
}

static void seam_open(hf_world *world)
{
    s = (seam){ .world = hf_world_io(world, 0)->ops, .shard = hf_shard_handler() };
    s.ops = *s.world;
    s.ops.submit = submit;
    s.ops.post = post;
    s.ops.conn_send = conn_send;
    s.handler = *s.shard;
    s.handler.on_message = on_message;
    s.handler.on_message_back = on_message_back;
    s.handler.on_received = on_received;
    s.handler.on_sent = on_sent;
    s.handler.on_turn = on_turn;
}

/* ---- The node ---- */

typedef struct node {
    hf_world *world;
    void *regions[CORES];
    hf_shard *shards[CORES];
} node;

static void node_open(node *n)
{
    hf_world_config config = { .seed = 1, .core_count = CORES, .faults = hf_world_faults_none() };
    /* Loops that have something to do each time, as under load: what comes in 20 us is one turn's.
     */
    config.faults.turn_ns_min = config.faults.turn_ns_max = 20 * US;
    n->world = hf_world_open(&config);
    seam_open(n->world);
    hf_shard_config shard = hf_shard_defaults();
    shard.initial_splits = splits;
    shard.balance_operations = 0;
    shard.log_segment_bytes = SEGMENT_BYTES;
    shard.connections_max = 2 * CLIENTS_MAX;
    for (uint16_t i = 0; i < CORES; i++) {
        hf_io *io = hf_world_io(n->world, i);
        n->regions[i] = aligned_alloc(REGION_ALIGN, REGION_BYTES);
        HF_ASSERT(n->regions[i] != NULL);
        io->ops = &s.ops;
        n->shards[i] = hf_shard_open(io, n->regions[i], REGION_BYTES, &shard);
        HF_ASSERT(n->shards[i] != NULL);
    }
    for (uint16_t i = 0; i < CORES; i++) {
        hf_world_boot(n->world, i, &s.handler, n->shards[i]);
    }
    for (uint16_t i = 0; i < CORES; i++) {
        while (!hf_shard_ready(n->shards[i])) {
            HF_ASSERT(hf_world_step(n->world));
        }
    }
}

static void node_close(node *n)
{
    hf_world_crash(n->world, HF_WORLD_KILL);
    hf_world_close(n->world);
    for (uint16_t i = 0; i < CORES; i++) {
        free(n->regions[i]);
    }
}

static hf_shard_stats node_stats(const node *n)
{
    hf_shard_stats all = { 0 };
    for (uint16_t i = 0; i < CORES; i++) {
        hf_shard_stats one;
        hf_shard_stats_get(n->shards[i], &one);
        all.conflicts += one.conflicts;
        all.log_records += one.log_records;
        all.log_bytes += one.log_bytes;
    }
    return all;
}

/* ---- Clients ---- */

typedef struct crowd crowd;

typedef struct client {
    crowd *crowd;
    hf_conn_id conn;
    uint32_t in_flight;
    uint32_t in_size;
    uint8_t in[REPLIES_MAX];
} client;

struct crowd {
    node *node;
    const load *load;
    hf_prng prng;
    uint32_t next_key; /* of fill */
    uint64_t replied, until;
    client clients[CLIENTS_MAX];
};

static uint32_t put_bytes(char *out, const void *data, uint32_t size)
{
    memcpy(out, data, size);
    return size;
}

static uint32_t put_add(char *out, uint32_t piece, uint32_t account, const char *const *rest)
{
    char key[24];
    uint32_t size = (uint32_t)snprintf(key, sizeof key, "account:%012u", account);
    const hf_command *command = hf_command_find(HF_LIT("HF.ADD"));
    uint32_t argc = 2;
    uint32_t at = 10;
    const char *words[8] = { "HF.ADD", key };
    for (; *rest != NULL; rest++) {
        words[argc++] = *rest;
    }
    for (uint32_t i = 0; i < argc; i++) {
        size = (uint32_t)strlen(words[i]);
        at += put_bytes(out + at, &size, sizeof size);
        at += put_bytes(out + at, words[i], size);
    }
    memcpy(out, &piece, sizeof piece);
    memcpy(out + 4, &command->id, sizeof command->id);
    memcpy(out + 6, &argc, sizeof argc);
    return at;
}

/* A transfer from an account of one core to one of the other, as the library writes it. */
static uint32_t write_local(crowd *c, char *out)
{
    static const char *const take[] = { "-1", "MIN", "0", NULL };
    static const char *const give[] = { "1", NULL };
    uint32_t half = (uint32_t)hf_prng_below(&c->prng, 2);
    uint32_t a = (uint32_t)hf_prng_below(&c->prng, KEYS / 2) + half * (KEYS / 2);
    uint32_t b = (uint32_t)hf_prng_below(&c->prng, KEYS / 2) + (1 - half) * (KEYS / 2);
    hf_local_request head = { .form = HF_LOCAL_TXN, .command_count = 2 };
    uint32_t size = sizeof head;
    size += put_add(out + size, 0, a, take);
    size += put_add(out + size, 1, b, give);
    head.size = size;
    memcpy(out, &head, sizeof head);
    memset(out + size, 0, hf_local_filled(size) - size);
    return hf_local_filled(size);
}

static uint32_t write_request(crowd *c, char *out)
{
    static const char value[VALUE_SIZE + 1] =
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    uint32_t a = (uint32_t)hf_prng_below(&c->prng, KEYS);
    uint32_t b = (uint32_t)hf_prng_below(&c->prng, KEYS - 1);
    bool hot = hf_prng_below(&c->prng, 100) < c->load->hot_percent;
    b = hot ? 0 : b;
    b = a == b ? KEYS - 1 : b;
    int size = 0;
    switch (c->load->kind) {
    case LOAD_FILL:
        a = c->next_key++;
        if (a < KEYS) {
            size = snprintf(out, REQUEST_MAX,
                            "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012u\r\n$64\r\n%s\r\n", a, value);
        } else {
            size =
                snprintf(out, REQUEST_MAX,
                         "*3\r\n$3\r\nSET\r\n$20\r\naccount:%012u\r\n$7\r\n1000000\r\n", a - KEYS);
        }
        break;
    case LOAD_SET:
        size = snprintf(out, REQUEST_MAX, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012u\r\n$64\r\n%s\r\n", a,
                        value);
        break;
    case LOAD_GET:
        size = snprintf(out, REQUEST_MAX, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012u\r\n", a);
        break;
    case LOAD_TRANSFER:
        size =
            snprintf(out, REQUEST_MAX,
                     "*13\r\n$6\r\nHF.TXN\r\n$4\r\nTHEN\r\n$1\r\n2\r\n$1\r\n5\r\n$6\r\nHF.ADD\r\n"
                     "$20\r\naccount:%012u\r\n$2\r\n-1\r\n$3\r\nMIN\r\n$1\r\n0\r\n"
                     "$1\r\n3\r\n$6\r\nHF.ADD\r\n$20\r\naccount:%012u\r\n$1\r\n1\r\n",
                     a, b);
        break;
    case LOAD_LOCAL:
        return write_local(c, out);
    case LOAD_MULTI:
        size = snprintf(out, REQUEST_MAX,
                        "*1\r\n$5\r\nMULTI\r\n"
                        "*5\r\n$6\r\nHF.ADD\r\n$20\r\naccount:%012u\r\n$2\r\n-1\r\n$3\r\nMIN\r\n"
                        "$1\r\n0\r\n"
                        "*3\r\n$6\r\nHF.ADD\r\n$20\r\naccount:%012u\r\n$1\r\n1\r\n"
                        "*1\r\n$4\r\nEXEC\r\n",
                        a, b);
        break;
    }
    HF_ASSERT(size > 0 && size < REQUEST_MAX);
    return (uint32_t)size;
}

static void send_pipeline(client *one)
{
    static char out[PIPELINE_MAX * REQUEST_MAX];
    crowd *c = one->crowd;
    uint32_t size = 0;
    uint32_t replies = c->load->kind == LOAD_MULTI ? 4 : 1;
    for (uint32_t i = 0; i < c->load->pipeline; i++) {
        if (c->load->kind == LOAD_FILL && c->next_key == 2 * KEYS) {
            break;
        }
        size += write_request(c, out + size);
        one->in_flight += replies;
    }
    if (size != 0) {
        hf_world_client_send(c->node->world, one->conn, hf_bytes_of(out, size));
    }
}

/* Of the first reply; 0: it is not whole. */
static uint32_t reply_size(const crowd *c, hf_bytes in)
{
    uint32_t skip = 0;
    uint32_t size = 0;
    if (c->load->kind == LOAD_LOCAL) {
        hf_local_reply head;
        if (in.size < sizeof head) {
            return 0;
        }
        memcpy(&head, in.data, sizeof head);
        skip = sizeof head;
        size = hf_local_filled(head.size) <= in.size ? hf_local_filled(head.size) : 0;
    } else {
        size = hf_resp_reply_size(in);
    }
    HF_ASSERT(size == 0 || in.data[skip] != '-'); /* nothing is refused here */
    return size;
}

static void on_data(void *context, hf_conn_id conn, hf_bytes data)
{
    (void)conn;
    client *one = context;
    crowd *c = one->crowd;
    HF_ASSERT(data.size <= REPLIES_MAX - one->in_size);
    memcpy(one->in + one->in_size, data.data, data.size);
    one->in_size += data.size;
    uint32_t used = 0;
    for (;;) {
        hf_bytes left = hf_bytes_of(one->in + used, one->in_size - used);
        uint32_t size = left.size == 0 ? 0 : reply_size(c, left);
        if (size == 0) {
            break;
        }
        HF_ASSERT(one->in_flight != 0);
        one->in_flight--;
        c->replied++;
        used += size;
    }
    memmove(one->in, one->in + used, one->in_size - used);
    one->in_size -= used;
    if (c->replied >= c->until) {
        hf_world_pause(c->node->world);
    }
    if (one->in_flight == 0) {
        send_pipeline(one);
    }
}

static void on_closed(void *context, hf_conn_id conn)
{
    (void)context;
    (void)conn;
    HF_UNREACHABLE();
}

static void run_until(crowd *c, uint64_t replies)
{
    c->until = replies;
    while (c->replied < c->until) {
        HF_ASSERT(hf_world_run(c->node->world, VIRTUAL_LIMIT, UINT64_MAX) != 0);
    }
}

static crowd *crowd_open(node *n, const load *l)
{
    static const hf_world_client handler = { .on_data = on_data, .on_closed = on_closed };
    static crowd c;
    memset(&c, 0, sizeof c);
    c.node = n;
    c.load = l;
    c.prng = hf_prng_of(1);
    for (uint32_t i = 0; i < l->clients; i++) {
        client *one = &c.clients[i];
        one->crowd = &c;
        one->conn = hf_world_connect(n->world,
                                     l->kind == LOAD_LOCAL ? HF_LISTENER_LOCAL : HF_LISTENER_CLIENT,
                                     &handler, one);
        send_pipeline(one);
    }
    return &c;
}

/* Takes back what is still on its way: the next crowd begins in a quiet world. */
static void crowd_close(crowd *c)
{
    for (uint32_t i = 0; i < c->load->clients; i++) {
        hf_world_client_close(c->node->world, c->clients[i].conn, HF_WORLD_CLOSE_ORDERLY);
    }
    (void)hf_world_run(c->node->world, hf_world_now(c->node->world) + 50000 * (uint64_t)US,
                       UINT64_MAX);
}

/* ---- One load ---- */

static void tell(const load *l, const counts *a, const hf_shard_stats *was,
                 const hf_shard_stats *is)
{
    double n = l->requests;
    (void)printf("{\"load\": \"%s\", \"requests\": %" PRIu32 ", \"allocations\": %.4f, "
                 "\"messages\": %.4f, \"log_records\": %.4f, \"log_bytes\": %.3f, "
                 "\"flushes\": %.5f, \"flushed_bytes\": %.2f, \"sends\": %.4f, \"turns\": %.4f, "
                 "\"conflicts\": %.5f}\n",
                 l->name, l->requests, (double)a->allocations / n, (double)a->messages / n,
                 (double)(is->log_records - was->log_records) / n,
                 (double)(is->log_bytes - was->log_bytes) / n, (double)a->flushes / n,
                 (double)a->flushed_bytes / n, (double)a->sends / n, (double)a->turns / n,
                 (double)(is->conflicts - was->conflicts) / n);
}

static void measure(const load *l)
{
    static const load fill = { "fill", LOAD_FILL, 8, 64, 0, 2 * KEYS };
    node n;
    node_open(&n);
    crowd *c = crowd_open(&n, &fill);
    run_until(c, fill.requests);
    crowd_close(c);
    uint64_t replies = l->kind == LOAD_MULTI ? 4 : 1;
    c = crowd_open(&n, l);
    run_until(c, l->requests / 10 * replies);
    hf_shard_stats was = node_stats(&n);
    memset(&s.count, 0, sizeof s.count);
    s.on = true;
    run_until(c, c->replied + l->requests * replies);
    s.on = false;
    CALLGRIND_DUMP_STATS_AT(l->name);
    counts is = s.count;
    hf_shard_stats end = node_stats(&n);
    tell(l, &is, &was, &end);
    for (uint16_t i = 0; i < CORES; i++) {
        hf_shard_check(n.shards[i]);
    }
    crowd_close(c);
    node_close(&n);
}

int main(int argc, char **argv)
{
    bool found = false;
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        (void)fputs("usage: holdfast-counts [LOAD]\n\n"
                    "What one request costs the engine, in a simulated world: one JSON object for\n"
                    "each load. Instructions, and the comparison with what is kept: run.\n",
                    stderr);
        return 2;
    }
    for (size_t i = 0; i < LOADS; i++) {
        if (argc == 1 || strcmp(argv[1], loads[i].name) == 0) {
            found = true;
            measure(&loads[i]);
            (void)fflush(stdout);
        }
    }
    if (!found) {
        (void)fprintf(stderr, "holdfast-counts: there is no load %s\n", argv[1]);
        return 2;
    }
    return 0;
}
