/* Fault plans: none, and the swarm. */
#include "tests/sim/world.h"

#include <string.h>

#define US ((uint64_t)1000)
#define MS ((uint64_t)1000000)
#define S ((uint64_t)1000000000)

hf_world_faults hf_world_faults_none(void)
{
    hf_world_faults f;
    memset(&f, 0, sizeof f);
    f.turn_ns_min = 500;
    f.turn_ns_max = 2 * US;
    f.message_ns_min = 200;
    f.message_ns_max = 1 * US;
    f.disk_ns_min = 10 * US;
    f.disk_read_ns_mean = 50 * US;
    f.disk_write_ns_mean = 50 * US;
    f.disk_kib_ns = 500;
    f.disk_in_order = false;
    f.confined = true;
    f.confined_after = 8;
    f.conn_ns_min = 10 * US;
    f.conn_ns_max = 50 * US;
    f.conn_slow_ns_mean = 20 * MS;
    f.conn_keepalive_ns = 5 * S;
    return f;
}

static hf_world_rate drawn_rate(hf_world_prng *p, uint32_t ppm_max)
{
    hf_world_rate rate = { (uint32_t)hf_world_prng_between(p, 1, ppm_max), HF_WORLD_ALWAYS };
    return rate;
}

/* Short and long as likely as each other: from low, doubled up to `doublings` times. */
static uint64_t drawn_scale(hf_world_prng *p, uint64_t low, uint64_t doublings)
{
    uint64_t scaled = low << hf_world_prng_below(p, doublings);
    return hf_world_prng_between(p, scaled, 2 * scaled);
}

static hf_world_recurring drawn_recurring(hf_world_prng *p, uint64_t low, uint64_t doublings)
{
    hf_world_recurring recurring = { drawn_scale(p, low, doublings), HF_WORLD_ALWAYS };
    return recurring;
}

/* A fault that lasts ends, as a rule, before it comes again. */
static uint64_t at_most(uint64_t length, uint64_t every)
{
    return length < every ? length : every;
}

/* One stream per family: switching one off leaves the draws of the others as they were. */
static bool family(hf_world_prng *p, uint64_t seed, uint64_t number, uint32_t on_ppm)
{
    hf_world_prng_seed(p, seed, 0xfa017u + number);
    return hf_world_prng_chance(p, on_ppm);
}

static void swarm_cores(hf_world_faults *f, uint64_t seed)
{
    hf_world_prng p;
    if (family(&p, seed, 0, 500000)) { /* slow loops: many deliveries to a turn */
        f->turn_ns_max = hf_world_prng_between(&p, 2 * US, 200 * US);
        f->timer_late_ns_max = hf_world_prng_between(&p, 0, 2 * MS);
    }
    if (family(&p, seed, 1, 500000)) {
        f->pause = drawn_recurring(&p, 10 * MS, 10);
        f->pause_ns_max = at_most(drawn_scale(&p, 1 * MS, 11), f->pause.every_ns);
    }
    if (family(&p, seed, 2, 600000)) {
        f->message_ns_max = hf_world_prng_between(&p, 1 * US, 500 * US);
        f->message_long = drawn_rate(&p, 20000);
        f->message_long_ns_max = drawn_scale(&p, 100 * US, 11);
    }
}

static void swarm_disk(hf_world_faults *f, uint64_t seed)
{
    hf_world_prng p;
    if (family(&p, seed, 3, 700000)) {
        f->disk_write_ns_mean = hf_world_prng_between(&p, 5 * US, 5 * MS);
        f->disk_read_ns_mean = hf_world_prng_between(&p, 5 * US, 2 * MS);
    }
    if (family(&p, seed, 4, 700000)) { /* the tail that finds what short delays never do */
        f->disk_tail = drawn_rate(&p, 20000);
        f->disk_tail_ns_max = hf_world_prng_between(&p, 50 * MS, 800 * MS);
    }
    if (family(&p, seed, 5, 400000)) {
        f->disk_slow = drawn_recurring(&p, 20 * MS, 9);
        f->disk_slow_ns_max = at_most(drawn_scale(&p, 5 * MS, 9), f->disk_slow.every_ns);
        f->disk_slow_factor_max = (uint32_t)hf_world_prng_between(&p, 1, 100);
    }
    f->disk_in_order = family(&p, seed, 6, 200000);
    f->allocate_junk = family(&p, seed, 7, 500000);
}

static void swarm_outside(hf_world_faults *f, uint64_t seed)
{
    hf_world_prng p;
    if (family(&p, seed, 8, 600000)) {
        f->clock_step = drawn_recurring(&p, 10 * MS, 10);
        f->clock_step_ns_max = drawn_scale(&p, 1 * MS, 17);
        f->clock_drift_ppm_max = (uint32_t)hf_world_prng_between(&p, 0, 2000);
    }
    if (family(&p, seed, 9, 600000)) {
        f->conn_ns_max = hf_world_prng_between(&p, 50 * US, 20 * MS);
        f->conn_tiny_ppm = (uint32_t)hf_world_prng_between(&p, 0, 300000);
        f->conn_slow_ppm = (uint32_t)hf_world_prng_between(&p, 0, 300000);
    }
    if (family(&p, seed, 10, 500000)) {
        f->conn_abort = drawn_rate(&p, 3000);
        f->conn_vanish = drawn_rate(&p, 1000);
    }
    if (family(&p, seed, 11, 800000)) {
        f->crash_every_ns = drawn_scale(&p, 10 * MS, 10);
        f->crash_power_ppm = (uint32_t)hf_world_prng_between(&p, 0, 1000000);
    }
}

hf_world_faults hf_world_faults_default(uint64_t seed)
{
    hf_world_faults f = hf_world_faults_none();
    swarm_cores(&f, seed);
    swarm_disk(&f, seed);
    swarm_outside(&f, seed);
    return f;
}

void hf_world_faults_add_damage(hf_world_faults *f, uint64_t seed)
{
    hf_world_prng p;
    f->confined = true;
    if (family(&p, seed, 12, 600000)) {
        f->rot = drawn_recurring(&p, 20 * MS, 9);
        f->rot.most = (uint32_t)hf_world_prng_between(&p, 1, 8);
    }
    if (family(&p, seed, 13, 500000)) {
        f->lost_write = drawn_rate(&p, 20000);
        f->lost_write.most = (uint32_t)hf_world_prng_between(&p, 1, 4);
    }
    if (family(&p, seed, 14, 500000)) {
        f->misdirected_write = drawn_rate(&p, 20000);
        f->misdirected_write.most = (uint32_t)hf_world_prng_between(&p, 1, 4);
    }
}

void hf_world_faults_add_errors(hf_world_faults *f, uint64_t seed)
{
    hf_world_prng p;
    if (family(&p, seed, 15, 500000)) {
        f->read_error = drawn_rate(&p, 5000);
    }
    if (family(&p, seed, 16, 500000)) {
        f->write_error = drawn_rate(&p, 2000);
    }
    if (family(&p, seed, 17, 500000)) {
        f->sync_error = drawn_rate(&p, 2000);
    }
    if (family(&p, seed, 18, 500000)) {
        f->name_error = drawn_rate(&p, 5000);
    }
}
