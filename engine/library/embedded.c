/* The engine in this process: opening it, and the links between a client and its cores. */
#include "engine/base/bytes.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/local.h"
#include "engine/io/pages.h"
#include "engine/io/pipe.h"
#include "engine/library/library_impl.h"
#include "engine/node/cores.h"
#include "engine/node/machine.h"
#include "engine/shard/session/local.h"
#include <ck_pr.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
    FATAL_SIZE = 400,
    PATH_SIZE = 4096,
    CONNECTIONS_LEAST = 16, /* a reactor has room for some at least */
    SPIN_US = 20,
    SPIN_CHECKS = 16,
    READY_WAIT_MS = 1000,
    SILENT_MOST = 16,
};

/* In pages of its own: the cores' part must be aligned, and a child of fork does not see it. */
struct hf_embedded {
    hf_cores cores;
    hf_datadir dir;
    _Atomic bool failed;
    hf_exit fatal_code;
    char fatal[FATAL_SIZE];
    char path[PATH_SIZE];
    void (*on_fatal)(void *context, const char *words);
    void *on_fatal_context;
    uint64_t spin_ns;
};

/* ---- Opening ---- */

static hf_err err_of(hf_exit code)
{
    switch (code) {
    case HF_EXIT_OK:
        return HF_OK;
    case HF_EXIT_CORRUPT:
        return HF_E_CORRUPT;
    case HF_EXIT_LOCKED:
        return HF_E_LOCKED;
    case HF_EXIT_VERSION:
        return HF_E_VERSION;
    case HF_EXIT_CONFIG:
    case HF_EXIT_USAGE:
        return HF_E_INVALID;
    case HF_EXIT_SYSTEM:
        return HF_E_NOMEM;
    case HF_EXIT_PORT:
    case HF_EXIT_INTERNAL:
    case HF_EXIT_CREATE:
    case HF_EXIT_IO:
    case HF_EXIT_PERMISSION:
        return HF_E_IO;
    }
    return HF_E_IO;
}

/* In a core's thread: the engine ends here. */
static void on_fatal(hf_io *io, int code, const char *message)
{
    hf_embedded *e = hf_cores_context();
    bool first = !atomic_exchange_explicit(&e->failed, true, memory_order_acq_rel);
    if (first) {
        (void)snprintf(e->fatal, sizeof e->fatal, "%s", message);
        e->fatal_code = (hf_exit)code;
        if (e->on_fatal != NULL) {
            e->on_fatal(e->on_fatal_context, e->fatal);
        }
    }
    hf_cores_leave(io);
}

static void configure(hf_embedded *e, const hf_options *options, hf_cores_config *cores)
{
    uint16_t processors = hf_cpu_count();
    *cores = (hf_cores_config){ .dir = &e->dir,
                                .cores = processors,
                                .pin = !options->no_pin,
                                .memory_bytes = options->memory_bytes,
                                .take_memory = options->memory_bytes != 0,
                                .locals = HF_CLIENTS_MAX,
                                .shard = hf_shard_defaults(),
                                .fatal = on_fatal,
                                .context = e };
    if (options->memory_bytes == 0) {
        cores->memory_bytes = hf_machine_share(hf_machine_memory(), e->dir.identity.shards);
    }
    cores->spin_us = options->no_spin ? 0 : options->spin_us != 0 ? options->spin_us : SPIN_US;
    cores->shard.connections_max = CONNECTIONS_LEAST;
    cores->shard.pipeline_max = HF_CALLS_MAX * 2;
    cores->shard.version = HF_VERSION;
    if (options->retention_ms != 0) {
        cores->shard.retention_ns = options->retention_ms * 1000000;
    }
    if (options->outcome_ms != 0) {
        cores->shard.outcome_ms = options->outcome_ms;
    }
}

/* Until every core is ready, or one has ended. */
static hf_err await_ready(hf_embedded *e)
{
    hf_cores *cores = &e->cores;
    for (;;) {
        struct pollfd fd = { .fd = cores->event_fd, .events = POLLIN };
        uint64_t count;
        if (atomic_load_explicit(&cores->ended, memory_order_acquire) != 0) {
            return HF_E_FATAL;
        }
        if (atomic_load_explicit(&cores->ready, memory_order_acquire) == cores->count) {
            return HF_OK;
        }
        (void)poll(&fd, 1, READY_WAIT_MS);
        (void)!read(cores->event_fd, &count, sizeof count);
    }
}

/* Why a core ended before it was ready. */
static hf_err why_ended(hf_embedded *e)
{
    hf_problem problem = { .code = HF_EXIT_OK };
    if (hf_cores_end(&e->cores, &problem) != HF_EXIT_OK) {
        hf_err err = HF_E_IO;
        for (uint16_t i = 0; i < e->cores.count; i++) {
            if (e->cores.core[i].problem.code == problem.code) {
                err = e->cores.core[i].err;
                break;
            }
        }
        return hf_library__problem(err == HF_OK ? err_of(problem.code) : err, "%s", problem.text);
    }
    return hf_library__problem(err_of(e->fatal_code), "%s", e->fatal);
}

static hf_err open_engine(hf_embedded *e, const hf_options *options)
{
    hf_problem problem = { .code = HF_EXIT_OK };
    hf_cores_config config;
    uint16_t cores = (uint16_t)(options->cores != 0 ? options->cores : hf_cpu_count());
    if (hf_datadir_open(&e->dir, e->path, cores, false, &problem) != HF_EXIT_OK) {
        return hf_library__problem(err_of(problem.code), "%s", problem.text);
    }
    configure(e, options, &config);
    if (hf_cores_size(&e->cores, &config, &problem) != HF_EXIT_OK) {
        return hf_library__problem(HF_E_NOMEM, "%s", problem.text);
    }
    /* A caller that spins takes a processor too: only where there are more than cores. */
    e->spin_ns = hf_cpu_count() > e->cores.count ? (uint64_t)config.spin_us * 1000 : 0;
    if (hf_cores_open(&e->cores, &problem) != HF_EXIT_OK) {
        hf_err err = hf_uring_problem_code();
        return hf_library__problem(e->cores.uring == NULL && err != HF_OK ? err
                                                                          : err_of(problem.code),
                                   "%s", problem.text);
    }
    if (hf_cores_start(&e->cores, &problem) != HF_EXIT_OK) {
        return hf_library__problem(HF_E_IO, "%s", problem.text);
    }
    return await_ready(e) == HF_OK ? HF_OK : why_ended(e);
}

static void unmap(hf_embedded *e)
{
    hf_pages_unmap(e, sizeof *e);
}

hf_err hf_embedded__open(hf_db *db, const char *path, const hf_options *options)
{
    if (options->cores > HF_CORES_MAX || strlen(path) >= PATH_SIZE || path[0] == 0) {
        return hf_library__problem(HF_E_INVALID, "at most %d cores; a path that is not empty",
                                   HF_CORES_MAX);
    }
    hf_embedded *e = hf_pages_map(sizeof *e, false);
    if (e == NULL) {
        return hf_library__problem(HF_E_NOMEM, "no memory for the engine");
    }
    memcpy(e->path, path, strlen(path) + 1);
    e->dir.fd = e->dir.lock_fd = -1;
    e->cores.event_fd = -1;
    e->on_fatal = options->on_fatal;
    e->on_fatal_context = options->on_fatal_context;
    hf_err err = open_engine(e, options);
    if (err != HF_OK) {
        bool left = false;
        for (uint16_t i = 0; i < e->cores.count; i++) {
            left = left || e->cores.core[i].left;
        }
        hf_cores_close(&e->cores);
        if (e->dir.fd >= 0) {
            hf_datadir_close(&e->dir);
        }
        if (!left) {
            unmap(e);
        }
        return err;
    }
    db->embedded = e;
    db->lock_fds[0] = e->dir.fd;
    db->lock_fds[1] = e->dir.lock_fd;
    db->lock_fds[2] = hf_uring_lock_fd(e->cores.uring);
    return HF_OK;
}

/* The shards let what runs end, as far as they live. */
static void drain(hf_embedded *e)
{
    hf_cores *cores = &e->cores;
    hf_cores_drain(cores);
    while (atomic_load_explicit(&cores->ended, memory_order_acquire) == 0 &&
           atomic_load_explicit(&cores->stopped, memory_order_acquire) != cores->count) {
        struct pollfd fd = { .fd = cores->event_fd, .events = POLLIN };
        uint64_t count;
        (void)poll(&fd, 1, READY_WAIT_MS);
        (void)!read(cores->event_fd, &count, sizeof count);
    }
}

hf_err hf_embedded__close(hf_db *db)
{
    hf_embedded *e = db->embedded;
    hf_problem problem = { .code = HF_EXIT_OK };
    drain(e);
    hf_exit code = hf_cores_end(&e->cores, &problem);
    if (atomic_load_explicit(&e->failed, memory_order_acquire)) {
        return hf_library__problem(HF_E_FATAL, "%s", e->fatal);
    }
    hf_cores_close(&e->cores);
    hf_datadir_close(&e->dir);
    unmap(e);
    return code == HF_EXIT_OK ? HF_OK : hf_library__problem(HF_E_IO, "%s", problem.text);
}

/* ---- A client's links ---- */

typedef struct core_link {
    hf_txn *unsent_first, *unsent_last;
    uint32_t unsent_at; /* bytes of the first that are in the pipe */
    hf_local_request
        unsent_head; /* of the first, as its first bytes went: what the client knows moves on */
    uint32_t under_way;
    uint32_t silent; /* requests in the pipe that the core was not rung for */
    bool in_reply;
    hf_local_reply head; /* of the reply that is coming, and how much of it came */
    uint32_t got;
    hf_txn *to; /* NULL: nobody wants it */
} core_link;

typedef struct ends {
    hf_local *local;
    uint16_t count;
    uint16_t next_core; /* for what has no key */
    bool watched;       /* the host polls the descriptor ... */
    bool armed;         /* ... and a core will ring */
    uint32_t map_changes;
    bool map_asked;
    hf_blob map;      /* of map_entry, ascending */
    hf_blob map_keys; /* their starts */
    hf_txn map_txn;   /* asks for the ranges */
    core_link links[];
} ends;

typedef struct map_entry {
    uint32_t at, size;
    uint16_t core;
} map_entry;

static ends *ends_of(const hf_client *client)
{
    return client->ends;
}

static size_t ends_size(uint16_t count)
{
    return sizeof(ends) + count * sizeof(core_link);
}

static hf_err client_open(hf_client *client)
{
    hf_embedded *e = client->db->embedded;
    uint16_t count = e->cores.count;
    if (atomic_load_explicit(&e->failed, memory_order_acquire)) {
        return hf_library__problem(HF_E_FATAL, "%s", e->fatal);
    }
    ends *made = hf_library__take(&client->allocator, ends_size(count));
    if (made == NULL) {
        return hf_library__problem(HF_E_NOMEM, "no memory for a client");
    }
    made->local = hf_local_take(e->cores.uring);
    if (made->local == NULL) {
        hf_library__give(&client->allocator, made, ends_size(count));
        return hf_library__problem(HF_E_FULL, "%d clients are open, or no descriptor is left",
                                   HF_CLIENTS_MAX);
    }
    made->count = count;
    client->pinned =
        (uint16_t)(atomic_load_explicit(&client->db->clients, memory_order_relaxed) % count);
    hf_blob__open(&made->map, &client->allocator);
    hf_blob__open(&made->map_keys, &client->allocator);
    made->map_txn.allocator = client->allocator;
    hf_blob__open(&made->map_txn.reply, &client->allocator);
    client->ends = made;
    return HF_OK;
}

static void client_close(hf_client *client)
{
    ends *n = ends_of(client);
    hf_local_give(n->local);
    hf_blob__close(&n->map);
    hf_blob__close(&n->map_keys);
    hf_blob__close(&n->map_txn.reply);
    hf_library__give(&client->allocator, n, ends_size(n->count));
    client->ends = NULL;
}

/* ---- Sending ---- */

static hf_local_request head_of(const hf_client *client, const hf_txn *txn)
{
    uint32_t size =
        (uint32_t)sizeof(hf_local_request) + txn->condition_bytes.size + txn->command_bytes.size;
    hf_local_request head = { .size = size,
                              .number = txn->number,
                              .form = txn->single ? HF_LOCAL_COMMAND : HF_LOCAL_TXN,
                              .has_id = txn->has_id,
                              .has_else = txn->has_else,
                              .condition_count = txn->conditions,
                              .command_count = txn->commands,
                              .otherwise = txn->otherwise,
                              .after = client->after };
    if (txn == &ends_of(client)->map_txn) {
        head.form = HF_LOCAL_MAP;
    } else if (txn->reads && txn->single && client->level != HF_READ_STRICT) {
        head.level = client->level == HF_READ_SNAPSHOT ? 1 : 2;
        head.level_arg = client->level_arg;
    }
    memcpy(head.id, txn->id, sizeof head.id);
    return head;
}

/* Puts bytes [at, ...) of the request into the pipe; answers up to where. */
static uint32_t put(hf_client *client, const hf_txn *txn, const hf_local_request *head, uint32_t at)
{
    static const uint8_t zeros[8];
    ends *n = ends_of(client);
    hf_bytes parts[4] = { hf_bytes_of(head, sizeof *head), hf_blob__view(&txn->condition_bytes),
                          hf_blob__view(&txn->command_bytes),
                          hf_bytes_of(zeros, hf_local_filled(head->size) - head->size) };
    uint32_t begin = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t end = begin + parts[i].size;
        if (at < end) {
            uint32_t skip = at - begin;
            uint32_t left = parts[i].size - skip;
            uint32_t done =
                hf_local_put(n->local, txn->core, hf_bytes_of(parts[i].data + skip, left));
            at += done;
            if (done < left) {
                return at;
            }
        }
        begin = end;
    }
    return at;
}

static uint32_t whole_size(const hf_txn *txn)
{
    return hf_local_filled((uint32_t)sizeof(hf_local_request) + txn->condition_bytes.size +
                           txn->command_bytes.size);
}

/* Sends of what waits as much as there is room for. */
static void send_on(hf_client *client, uint16_t core)
{
    ends *n = ends_of(client);
    core_link *to = &n->links[core];
    bool any = false;
    while (to->unsent_first != NULL) {
        hf_txn *txn = to->unsent_first;
        uint32_t before = to->unsent_at;
        if (before == 0) {
            to->unsent_head = head_of(client, txn);
        }
        to->unsent_at = put(client, txn, &to->unsent_head, before);
        any = any || to->unsent_at != before;
        if (to->unsent_at < whole_size(txn)) {
            if (to->unsent_at == before && hf_local_starved(n->local, core)) {
                break; /* we are told when there is room */
            }
            continue;
        }
        to->unsent_first = txn->next;
        to->unsent_last = to->unsent_first == NULL ? NULL : to->unsent_last;
        to->unsent_at = 0;
    }
    if (any) {
        hf_local_ring(n->local, core);
    }
}

/* While the host's functions run, one ring stands for several requests: it is a fence and often a
 * line that the core has just written. */
static void ring_soon(hf_client *client, uint16_t core)
{
    ends *n = ends_of(client);
    core_link *to = &n->links[core];
    to->silent++;
    if (!client->polling || to->silent >= SILENT_MOST) {
        to->silent = 0;
        hf_local_ring(n->local, core);
    }
}

static void ring_all(hf_client *client)
{
    ends *n = ends_of(client);
    for (uint16_t i = 0; i < n->count; i++) {
        if (n->links[i].silent != 0) {
            n->links[i].silent = 0;
            hf_local_ring(n->local, i);
        }
    }
}

static uint16_t core_of(hf_client *client, const hf_txn *txn)
{
    ends *n = ends_of(client);
    if (client->interactive) {
        return client->pinned;
    }
    const map_entry *entries = (const map_entry *)(const void *)n->map.data;
    uint32_t count = n->map.size / (uint32_t)sizeof *entries;
    hf_bytes key = hf_blob__view(&txn->key);
    if (count == 0 || key.size == 0) {
        n->next_core = (uint16_t)((n->next_core + 1) % n->count);
        return n->next_core;
    }
    uint32_t low = 0;
    uint32_t high = count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        hf_bytes start = hf_bytes_of(n->map_keys.data + entries[middle].at, entries[middle].size);
        *(hf_bytes_compare(start, key) <= 0 ? &low : &high) = middle;
    }
    return entries[low].core < n->count ? entries[low].core : 0;
}

static void send_call(hf_client *client, hf_txn *txn)
{
    ends *n = ends_of(client);
    core_link *to = &n->links[txn->core];
    to->under_way++;
    txn->next = NULL;
    if (to->unsent_first == NULL && hf_local_fits(n->local, txn->core, whole_size(txn))) {
        hf_local_request head = head_of(client, txn);
        uint32_t end = put(client, txn, &head, 0);
        HF_ASSERT(end == whole_size(txn));
        ring_soon(client, txn->core);
        return;
    }
    if (to->unsent_last == NULL) {
        to->unsent_first = txn;
    } else {
        to->unsent_last->next = txn;
    }
    to->unsent_last = txn;
    send_on(client, txn->core);
}

/* Where the ranges are: asked for beside the call that showed that they changed. */
static void ask_map(hf_client *client)
{
    ends *n = ends_of(client);
    hf_txn *txn = &n->map_txn;
    if (n->map_asked || !hf_client__number(client, txn)) {
        return;
    }
    hf_blob__reset(&txn->reply);
    txn->state = HF_TXN_UNDER_WAY;
    txn->core = (uint16_t)((n->next_core + 1) % n->count);
    client->under_way--; /* nobody waits for it */
    n->map_asked = true;
    send_call(client, txn);
}

static hf_err start(hf_client *client, hf_txn *txn)
{
    ends *n = ends_of(client);
    if (n->map.size == 0 && !n->map_asked) {
        ask_map(client);
    }
    txn->core = core_of(client, txn);
    send_call(client, txn);
    return HF_OK;
}

/* ---- Receiving ---- */

/* The ranges as hf_range_encode wrote them. Kept only whole. */
static void read_map(hf_client *client, const hf_local_reply *head)
{
    ends *n = ends_of(client);
    hf_reader r = hf_reader_of(hf_blob__view(&n->map_txn.reply));
    uint32_t count = hf_read_u32(&r);
    hf_blob__reset(&n->map);
    hf_blob__reset(&n->map_keys);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        (void)hf_read_u64(&r);
        (void)hf_read_u64(&r);
        map_entry entry = { .at = n->map_keys.size };
        entry.core = hf_read_u16(&r);
        hf_bytes start = hf_read_bytes(&r);
        entry.size = start.size;
        hf_blob__raw(&n->map_keys, start.data, start.size);
        hf_blob__raw(&n->map, &entry, sizeof entry);
    }
    if (r.bad || n->map.failed || n->map_keys.failed || n->map_txn.reply.failed) {
        hf_blob__reset(&n->map); /* then any core does */
    }
    n->map_changes = head->map_changes;
}

static void end_map(hf_client *client, const hf_local_reply *head)
{
    ends *n = ends_of(client);
    uint32_t index = n->map_txn.number & 2047u;
    client->calls[index] = NULL;
    client->free_calls[client->free_count++] = (uint16_t)index;
    n->map_asked = false;
    n->map_txn.state = HF_TXN_IDLE;
    if (head != NULL) {
        read_map(client, head);
    }
}

/* A reply is whole. */
static void take_reply(hf_client *client, core_link *from)
{
    ends *n = ends_of(client);
    uint32_t changes = from->head.map_changes;
    hf_txn *txn = from->to;
    from->in_reply = false;
    from->to = NULL;
    from->under_way--;
    if (txn == &n->map_txn) {
        end_map(client, &from->head);
    } else if (txn != NULL) {
        hf_client__replied(client, txn);
    }
    if (changes != n->map_changes && n->map.size != 0 && n->count > 1) {
        ask_map(client);
    }
}

/* A value that lies in the pipe in one piece goes straight to where the caller wants it. */
static bool take_at_once(core_link *from, hf_bytes body)
{
    hf_txn *txn = from->to;
    hf_resp_value value;
    if (txn == NULL || txn->into == NULL || hf_resp_read(body, &value) == 0 ||
        value.kind != HF_RESP_KIND_BULK) {
        return false;
    }
    uint32_t size = value.bytes.size;
    memcpy(txn->into, value.bytes.data, size < txn->into_room ? size : txn->into_room);
    txn->into_size = size;
    txn->into_used = true;
    return true;
}

/* Takes the bytes of one reply as far as they are there. False: nothing more is. */
static bool receive_one(hf_client *client, core_link *from, hf_pipe *pipe)
{
    if (!from->in_reply) {
        if (hf_pipe_filled(pipe) < sizeof from->head) {
            return false;
        }
        hf_pipe_copy(pipe, 0, &from->head, sizeof from->head);
        hf_pipe_take(pipe, sizeof from->head);
        HF_ASSERT(from->head.size >= sizeof from->head && from->under_way != 0);
        from->to = hf_client__find(client, from->head.number);
        from->got = sizeof from->head;
        from->in_reply = true;
    }
    uint32_t whole = hf_local_filled(from->head.size);
    while (from->got < whole) {
        hf_bytes bytes = hf_pipe_peek(pipe);
        if (bytes.size == 0) {
            return false;
        }
        uint32_t left = whole - from->got;
        uint32_t body = from->head.size > from->got ? from->head.size - from->got : 0;
        uint32_t size = bytes.size < left ? bytes.size : left;
        bool at_once = from->got == sizeof from->head && size == left &&
                       take_at_once(from, hf_bytes_of(bytes.data, body));
        if (from->to != NULL && !at_once) {
            hf_blob__raw(&from->to->reply, bytes.data, size < body ? size : body);
        }
        hf_pipe_take(pipe, size);
        from->got += size;
    }
    take_reply(client, from);
    return true;
}

/* All calls end: the engine has failed, or has cut the connection. */
static void end_all(hf_client *client, hf_err err, const char *words)
{
    ends *n = ends_of(client);
    for (uint32_t i = 0; i < HF_CALLS_MAX; i++) {
        hf_txn *txn = client->calls[i];
        if (txn == &n->map_txn) {
            end_map(client, NULL);
        } else if (txn != NULL) {
            hf_client__ended(client, txn, err, words);
        }
    }
    for (uint16_t i = 0; i < n->count; i++) {
        n->links[i] = (core_link){ 0 };
    }
}

static bool failed(const hf_client *client)
{
    return atomic_load_explicit(&client->db->embedded->failed, memory_order_acquire);
}

static void disarm(hf_client *client)
{
    ends *n = ends_of(client);
    if (n->armed) {
        hf_local_disarm(n->local);
        n->armed = false;
    }
}

static void pump(hf_client *client)
{
    ends *n = ends_of(client);
    disarm(client);
    ring_all(client);
    for (uint16_t i = 0; i < n->count; i++) {
        core_link *with = &n->links[i];
        hf_pipe *pipe = hf_local_pipe(n->local, i);
        bool any = false;
        if (with->unsent_first != NULL) {
            send_on(client, i);
        }
        while (with->under_way != 0 && receive_one(client, with, pipe)) {
            any = true;
        }
        if (any || with->in_reply) {
            hf_local_took(n->local, i);
        }
        if (with->under_way != 0 && !hf_local_alive(n->local, i)) {
            bool fatal = failed(client);
            client->broken = true;
            end_all(client, fatal ? HF_E_FATAL : HF_E_INDOUBT,
                    fatal ? client->db->embedded->fatal
                          : "the engine has closed the connection: it had no memory for it");
            return;
        }
    }
}

/* ---- Waiting ---- */

static bool something_came(const hf_client *client)
{
    ends *n = ends_of(client);
    for (uint16_t i = 0; i < n->count; i++) {
        const core_link *with = &n->links[i];
        if (with->under_way != 0 &&
            (hf_pipe_peek(hf_local_pipe(n->local, i)).size != 0 || !hf_local_alive(n->local, i))) {
            return true;
        }
    }
    return false;
}

static bool spin(hf_client *client)
{
    uint64_t spin_ns = client->db->embedded->spin_ns;
    uint64_t until = spin_ns == 0 ? 0 : hf_clock_now_ns() + spin_ns;
    while (spin_ns != 0 && hf_clock_now_ns() < until) {
        for (int i = 0; i < SPIN_CHECKS; i++) {
            if (something_came(client)) {
                return true;
            }
            ck_pr_stall();
        }
    }
    return false;
}

static void wait_for(hf_client *client, uint32_t wait_ms)
{
    ends *n = ends_of(client);
    struct pollfd fd = { .fd = hf_local_fd(n->local), .events = POLLIN };
    if (something_came(client) || spin(client)) {
        return;
    }
    hf_local_arm(n->local);
    bool room = false; /* came since send_on looked */
    for (uint16_t i = 0; i < n->count && !room; i++) {
        room = n->links[i].unsent_first != NULL && !hf_local_starved(n->local, i);
    }
    if (!room && !something_came(client)) {
        (void)poll(&fd, 1, wait_ms > INT32_MAX ? -1 : (int)wait_ms);
    }
    hf_local_disarm(n->local);
}

static void quiet(hf_client *client)
{
    ends *n = ends_of(client);
    ring_all(client);
    if (!n->watched) {
        return; /* then nobody need ring */
    }
    if (!n->armed) {
        n->armed = true;
        hf_local_arm(n->local);
    }
    if (client->ended_first != NULL || something_came(client)) {
        hf_local_poke(n->local); /* it came while nobody was watching */
    }
}

static int client_fd(hf_client *client)
{
    ends_of(client)->watched = true;
    quiet(client);
    return hf_local_fd(ends_of(client)->local);
}

const hf_way hf_embedded__way = { .open = client_open,
                                  .close = client_close,
                                  .start = start,
                                  .pump = pump,
                                  .wait = wait_for,
                                  .fd = client_fd,
                                  .quiet = quiet,
                                  .failed = failed };

/* ---- Tokens: what each core's clock has seen ---- */

hf_err hf_embedded__token(hf_client *client, uint64_t *token)
{
    ends *n = ends_of(client);
    uint64_t most = 0;
    for (uint16_t i = 0; i < n->count; i++) {
        hf_txn *txn = hf_client__own(client);
        bool was = client->interactive;
        uint16_t pinned = client->pinned;
        txn->inner = true;
        hf_txn__begin(txn, client->names.token, 1);
        hf_txn__text(txn, "HF.TOKEN");
        client->interactive = true;
        client->pinned = i;
        hf_err err = hf_client__ask(client, txn);
        client->interactive = was;
        client->pinned = pinned;
        if (err != HF_OK) {
            return err;
        }
        hf_result result = hf_txn_result(txn, 0);
        uint64_t value = 0;
        for (size_t k = 0; k < result.size; k++) {
            value = value * 10 + (uint64_t)(result.data[k] - '0');
        }
        most = value > most ? value : most;
    }
    *token = most;
    return HF_OK;
}
