/* The same seed makes the same run, to the last event, whatever memory held before; and quickly. */
#include "tests/unit/sim/sim_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { CORES = 4, CLIENTS = 8, BLOCK = 4096 };

/* ---- A restless node: messages, files and connections, by numbers drawn from its io
 * ---------------- */

typedef struct letter {
    hf_msg head;
    uint64_t hops;
} letter;

typedef struct restless {
    hf_io *io;
    hf_world_prng prng;
    int64_t file;
    hf_io_op op;
    bool busy, opened;
    char name[16];
    _Alignas(4096) uint8_t block[BLOCK];
    uint8_t reply[BLOCK];
    hf_conn_id answering;
} restless;

typedef struct busy_world {
    hf_world *world;
    restless cores[CORES];
    letter letters[256];
    uint16_t spare[256]; /* letters that are at home */
    uint32_t spare_count;
    hf_conn_id conns[CLIENTS];
    uint64_t replies, closed;
} busy_world;

static busy_world *busy;

static void post(restless *core, uint16_t to, uint64_t hops)
{
    if (busy->spare_count == 0) {
        return;
    }
    letter *l = &busy->letters[busy->spare[--busy->spare_count]];
    memset(l, 0, sizeof *l);
    l->head.size = sizeof *l;
    l->head.kind = 1;
    l->hops = hops;
    hf_io_post(core->io, to, &l->head);
}

static void on_message(void *context, const hf_msg *msg)
{
    restless *core = context;
    const letter *l = (const letter *)(const void *)msg;
    if (l->hops > 0) {
        post(core, (uint16_t)hf_world_prng_below(&core->prng, CORES), l->hops - 1);
    }
}

static void on_message_back(void *context, hf_msg *msg)
{
    (void)context;
    const letter *l = (const letter *)(const void *)msg;
    busy->spare[busy->spare_count++] = (uint16_t)(l - busy->letters);
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    (void)context;
    (void)conn;
    (void)listener;
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    restless *core = context;
    if (core->answering == 0) {
        core->answering = conn;
        uint32_t size = data.size < BLOCK ? data.size : BLOCK;
        memcpy(core->reply, data.data, size);
        core->io->ops->conn_send(core->io, conn, hf_bytes_of(core->reply, size));
    }
}

static void on_sent(void *context, hf_conn_id conn)
{
    (void)conn;
    ((restless *)context)->answering = 0;
}

static void on_closed(void *context, hf_conn_id conn)
{
    restless *core = context;
    core->answering = core->answering == conn ? 0 : core->answering;
}

static void on_done(hf_io_op *op, int64_t result)
{
    restless *core = op->context;
    core->busy = false;
    if (op->kind == HF_IO_OPEN && result >= 0) {
        core->opened = true;
        core->file = result;
    }
}

static uint64_t on_turn(void *context)
{
    restless *core = context;
    hf_io *io = core->io;
    if (!core->busy) {
        core->busy = true;
        memset(&core->op, 0, sizeof core->op);
        core->op.done = on_done;
        core->op.context = core;
        core->op.path = core->name;
        core->op.kind = HF_IO_OPEN;
        core->op.flags = HF_IO_CREATE | HF_IO_DIRECT;
        if (core->opened) {
            uint64_t draw = hf_world_prng_below(&core->prng, 100);
            core->op.file = (int32_t)core->file;
            core->op.kind = draw < 60 ? HF_IO_WRITE : draw < 90 ? HF_IO_READ : HF_IO_SYNC;
            core->op.flags = draw < 30 ? HF_IO_DURABLE : 0;
            core->op.data = core->block;
            core->op.size = BLOCK;
            core->op.offset = hf_world_prng_below(&core->prng, 64) * BLOCK;
            if (draw < 60) {
                memset(core->block, (int)draw, sizeof core->block);
            }
        }
        hf_io_submit(io, &core->op);
    }
    if (hf_world_prng_below(&core->prng, 4) == 0) {
        post(core, (uint16_t)hf_world_prng_below(&core->prng, CORES), 3);
    }
    return io->now_ns + hf_world_prng_below(&core->prng, 5 * TEST_MS);
}

static const hf_io_handler handler = {
    .on_message = on_message,
    .on_message_back = on_message_back,
    .on_accept = on_accept,
    .on_received = on_received,
    .on_sent = on_sent,
    .on_closed = on_closed,
    .on_turn = on_turn,
};

static void boot(void)
{
    busy->spare_count = 0;
    while (busy->spare_count < 256) {
        busy->spare[busy->spare_count] = (uint16_t)busy->spare_count;
        busy->spare_count++;
    }
    for (uint16_t i = 0; i < CORES; i++) {
        restless *core = &busy->cores[i];
        memset(core, 0, sizeof *core);
        core->io = hf_world_io(busy->world, i);
        snprintf(core->name, sizeof core->name, "f%u", (unsigned)i);
        hf_world_prng_seed(&core->prng, core->io->ops->random(core->io), 0);
        hf_world_boot(busy->world, i, &handler, core);
    }
}

static void crash(void *context)
{
    hf_world *world = context;
    hf_world_prng *prng = hf_world_random(world);
    const hf_world_faults *faults = hf_world_get_faults(world);
    bool power = hf_world_prng_chance(prng, faults->crash_power_ppm);
    hf_world_crash(world, power ? HF_WORLD_POWER : HF_WORLD_KILL);
    hf_world_note(world, "disk", hf_disk_hash(hf_world_disk(world)), 0);
    boot();
    hf_world_at(world, hf_world_now(world) + 1 + hf_world_prng_expo(prng, 200 * TEST_MS), crash,
                world);
}

static void on_client_data(void *context, hf_conn_id conn, hf_bytes data)
{
    hf_conn_id *slot = context;
    assert_int_equal(*slot, conn);
    busy->replies += data.size;
    if (hf_world_prng_coin(hf_world_random(busy->world))) {
        hf_world_client_send(busy->world, conn, data);
    }
}

static void on_client_closed(void *context, hf_conn_id conn)
{
    (void)conn;
    *(hf_conn_id *)context = 0;
    busy->closed++;
}

static const hf_world_client client = { .on_data = on_client_data, .on_closed = on_client_closed };

static void visit(void *context)
{
    hf_world *world = context;
    hf_world_prng *prng = hf_world_random(world);
    hf_conn_id *slot = &busy->conns[hf_world_prng_below(prng, CLIENTS)];
    if (*slot == 0) {
        *slot = hf_world_connect(world, HF_LISTENER_CLIENT, &client, slot);
    }
    hf_world_client_send(world, *slot, HF_LIT("some bytes that the node sends back as they are"));
    if (hf_world_prng_below(prng, 50) == 0) {
        hf_world_client_close(world, *slot, (hf_world_close_kind)hf_world_prng_below(prng, 3));
        *slot = 0;
    }
    hf_world_at(world, hf_world_now(world) + hf_world_prng_expo(prng, 10 * TEST_MS), visit, world);
}

static hf_world *run_with(const hf_world_faults *faults, uint64_t seed, uint64_t events,
                          FILE *trace)
{
    hf_world_config config = { .seed = seed, .core_count = CORES, .trace = trace };
    config.faults = *faults;
    busy = aligned_alloc(BLOCK, sizeof *busy); /* not zeros */
    assert_non_null(busy);
    memset(busy->conns, 0, sizeof busy->conns);
    hf_world *world = hf_world_open(&config);
    busy->world = world;
    boot();
    hf_world_at(world, TEST_MS, visit, world);
    hf_world_at(world, 20 * TEST_MS, crash, world);
    assert_true(hf_world_run(world, UINT64_MAX, events) >= events);
    return world;
}

static hf_world *run(uint64_t seed, uint64_t events, FILE *trace)
{
    hf_world_faults faults = hf_world_faults_default(seed);
    hf_world_faults_add_damage(&faults, seed);
    hf_world_faults_add_errors(&faults, seed);
    return run_with(&faults, seed, events, trace);
}

static uint64_t hash_of(uint64_t seed, uint64_t events)
{
    hf_world *world = run(seed, events, NULL);
    uint64_t hash = hf_world_hash_now(world);
    hf_world_close(world);
    free(busy);
    return hash;
}

static void same_seed_same_hash(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t hash = hash_of(seed, 20000);
        void *other = malloc(123 * seed); /* other addresses */
        assert_int_equal(hash_of(seed, 20000), hash);
        free(other);
        assert_int_not_equal(hash, last);
        last = hash;
    }
}

static uint64_t hash_elsewhere(const char *environment, uint64_t seed)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    char command[1024];
    snprintf(command, sizeof command, "%s '%s' --hash %" PRIu64, environment, self, seed);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    uint64_t hash = 0;
    assert_int_equal(fscanf(pipe, "%" SCNx64, &hash), 1);
    assert_int_equal(pclose(pipe), 0);
    return hash;
}

static void memory_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 21; seed < 24; seed++) {
        uint64_t hash = hash_of(seed, 20000);
        assert_int_equal(hash_elsewhere("MALLOC_PERTURB_=90", seed), hash);
        assert_int_equal(hash_elsewhere("MALLOC_PERTURB_=165", seed), hash);
    }
}

/* Everything at once, and every counter moves. */
static void faults_do_happen(void **state)
{
    (void)state;
    const hf_world_rate often = { 20000, HF_WORLD_ALWAYS };
    const hf_world_recurring soon = { 50 * TEST_MS, HF_WORLD_ALWAYS };
    hf_world_faults f = hf_world_faults_none();
    f.pause = soon;
    f.pause_ns_max = 20 * TEST_MS;
    f.message_long = often;
    f.message_long_ns_max = 10 * TEST_MS;
    f.disk_tail = often;
    f.disk_tail_ns_max = 400 * TEST_MS;
    f.disk_slow = soon;
    f.disk_slow_ns_max = 20 * TEST_MS;
    f.disk_slow_factor_max = 10;
    f.read_error = f.write_error = f.sync_error = f.lost_write = f.misdirected_write = often;
    f.name_error = (hf_world_rate){ 200000, HF_WORLD_ALWAYS };
    f.rot = soon;
    f.confined_after = 2;
    f.clock_step = soon;
    f.clock_step_ns_max = TEST_S;
    f.conn_abort = f.conn_vanish = often;
    f.crash_power_ppm = 500000;
    hf_world *world = run_with(&f, 1, 200000, NULL);
    hf_world_stats sum = hf_world_stats_get(world);
    hf_world_close(world);
    free(busy);
    assert_true(sum.crashes > sum.power_losses && sum.power_losses > 0);
    assert_true(sum.pauses != 0 && sum.message_long != 0 && sum.disk_tail != 0);
    assert_true(sum.disk_slow != 0 && sum.read_error != 0 && sum.write_error != 0);
    assert_true(sum.sync_error != 0 && sum.name_error != 0 && sum.clock_step != 0);
    assert_true(sum.conn_abort != 0 && sum.conn_vanish != 0 && sum.torn_writes != 0);
    assert_true(sum.rot != 0 && sum.lost_write != 0 && sum.misdirected_write != 0);
    assert_true(sum.losses.sectors_lost != 0 && sum.losses.sectors_kept != 0);
    assert_true(sum.losses.names_lost != 0 && sum.losses.names_kept != 0);
}

/* Stopping and going on changes nothing; the trace tells every event. */
static void steps_are_the_run(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *trace = open_memstream(&text, &size);
    hf_world *world = run(5, 1000, trace);
    for (int i = 0; i < 9000; i++) {
        assert_true(hf_world_step(world));
    }
    uint64_t hash = hf_world_hash_now(world);
    uint64_t events = hf_world_stats_get(world).events;
    hf_world_close(world);
    free(busy);
    assert_int_equal(fclose(trace), 0);
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += text[i] == '\n';
    }
    free(text);
    assert_int_equal(lines, events);
    world = run(5, 1, NULL);
    (void)hf_world_run(world, UINT64_MAX, events - hf_world_stats_get(world).events);
    assert_int_equal(hf_world_hash_now(world), hash);
    hf_world_close(world);
    free(busy);
}

static void last_events_are_kept(void **state)
{
    (void)state;
    hf_world *world = run(6, 1000, NULL);
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    hf_world_trace_print(world, to);
    assert_int_equal(fclose(to), 0);
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += text[i] == '\n';
    }
    assert_int_equal(lines, 256);
    uint64_t first = hf_world_stats_get(world).events - 256;
    assert_int_equal(strtoull(text, NULL, 10), first);
    free(text);
    hf_world_close(world);
    free(busy);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--hash") == 0) {
        printf("%016" PRIx64 "\n", hash_of(strtoull(argv[2], NULL, 10), 20000));
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_hash),  cmocka_unit_test(memory_does_not_matter),
        cmocka_unit_test(faults_do_happen),     cmocka_unit_test(steps_are_the_run),
        cmocka_unit_test(last_events_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
