/* Bits rot, writes are lost or land elsewhere, in silence, while the node crashes: a boot is right,
 * or it is refused with HF_E_CORRUPT; it never shows wrong data and never misses what was
 * acknowledged. Damage is kept to what one copy can notice (storage/log/README.md, "The window
 * that remains"): writes turn bad when later ones followed, in files of one kind, and none turns
 * bad while the node starts.
 */
#include "tests/unit/log_world/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
enum { LIVES = 14 };
static uint64_t first_seed, seeds = 90;

static hf_world_faults damage(hf_world_faults faults, hf_world_prng *prng)
{
    static const char *const where[] = { "core-00/log-", "core-00/checkpoint-", "core-00/MANIFEST",
                                         NULL };
    uint64_t what = hf_world_prng_below(prng, 4);
    faults.damage_only = where[hf_world_prng_below(prng, what == 0 ? 4 : 3)];
    faults.confined = true;
    faults.confined_after = 3;
    if (what == 0 || what == 3) {
        faults.rot.every_ns = hf_world_prng_between(prng, 1, 200) * MS;
        faults.rot.most = 2;
    }
    if (what == 1 || what == 3) {
        faults.lost_write = (hf_world_rate){ 20000, 2 };
    }
    if (what == 2 || what == 3) {
        faults.misdirected_write = (hf_world_rate){ 20000, 2 };
    }
    return faults;
}

/* False: refused. */
static bool live(rig *r, const hf_world_faults *sound, const hf_world_faults *damaging)
{
    hf_world_set_faults(r->world, sound);
    rig_boot(r);
    for (int i = 0; i < 4000 && r->state == RIG_BOOT; i++) {
        rig_run(r, 1);
    }
    if (r->state == RIG_OPEN) {
        hf_world_set_faults(r->world, damaging);
        rig_run(r, hf_world_prng_between(&r->prng, 1, 1500));
    }
    bool refused = r->state == RIG_ENDED;
    rig_crash(r);
    return !refused;
}

static void damage_is_refused_or_harmless(void **state)
{
    (void)state;
    static rig r;
    rig_tally tally = { 0 };
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        hf_world_faults sound = hf_world_faults_default(seed);
        rig_open(&r, seed, &sound, &tally);
        hf_world_faults damaging = damage(sound, &r.prng);
        bool refused = false;
        for (uint32_t life = 0; life < LIVES && !refused; life++) {
            refused = !live(&r, &sound, &damaging);
        }
        refused = refused || !rig_finish(&r);
        tally.damaged += rig_damage(&r) != 0;
        rig_close(&r);
    }
    rig_tally_print(&tally);
    assert_true(tally.damaged > seeds / 3 && tally.corrupt > seeds / 10);
    assert_true(tally.corrupt < tally.damaged); /* not all damage is a reason to refuse */
}

int main(int argc, char **argv)
{
    rig_seeds(argc, argv, &first_seed, &seeds);
    const struct CMUnitTest tests[] = { cmocka_unit_test(damage_is_refused_or_harmless) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
