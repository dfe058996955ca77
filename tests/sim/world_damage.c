/* Damage in silence: rot, lost writes, misdirected writes.
 *
 * A lost or misdirected write first happens as it should, and is remembered; when enough writes
 * followed it in its file, the old content comes back, and the data turns up elsewhere. To a reader
 * after a crash that is the same as a write that never arrived, and it can be kept away from the
 * newest writes, which a single copy cannot miss.
 */
#include "tests/sim/world_impl.h"

#include <stdlib.h>
#include <string.h>

bool hf_world__damageable(const hf_world *w, const hf_disk_file *file)
{
    if (w->faults.lost_write.ppm == 0 && w->faults.misdirected_write.ppm == 0) {
        return false;
    }
    const char *path = hf_disk_file_path(w->disk, file);
    return path != NULL &&
           (w->faults.damage_only == NULL || strstr(path, w->faults.damage_only) != NULL);
}

static void damage_record(hf_world *w, const hf_disk_file *file, uint64_t offset, const char *what)
{
    const char *path = hf_disk_file_path(w->disk, file);
    uint64_t h = path == NULL ? 0 : hf_world_hash(0, path, strlen(path));
    hf_world__record(w, HF_WORLD__DAMAGE, HF_WORLD__NOCORE, h, offset, 0, what);
}

void hf_world__rot(hf_world *w)
{
    hf_disk_file *file;
    uint64_t offset;
    hf_world_prng *prng = &w->disk_faults;
    if (!hf_disk_pick(w->disk, prng, w->faults.damage_only, &file, &offset)) {
        return;
    }
    uint64_t bit = hf_world_prng_below(prng, HF_DISK_SECTOR * 8);
    offset += bit / 8;
    uint8_t byte;
    if (hf_disk_read(file, offset, &byte, 1) == 1) {
        byte ^= (uint8_t)(1u << (bit % 8));
        hf_disk_poke_file(file, offset, &byte, 1);
        w->stats.rot++;
        damage_record(w, file, offset, "rot");
    }
}

/* ---- Writes that turn out not to be there
 * -------------------------------------------------------- */

static void stash_end(hf_world *w, hf_world__stash *s)
{
    free(s->old);
    free(s->data);
    hf_disk_file *file = s->file;
    memset(s, 0, sizeof *s);
    hf_disk_release(w->disk, file);
}

void hf_world__stash_drop(hf_world *w)
{
    for (int i = 0; i < HF_WORLD__STASHES; i++) {
        if (w->stashes[i].file != NULL) {
            stash_end(w, &w->stashes[i]);
        }
    }
}

/* Called before the write lands. */
void hf_world__stash_write(hf_world *w, hf_world__op *o)
{
    const hf_io_op *op = o->op;
    hf_world__stash *s = w->stashes;
    while (s < w->stashes + HF_WORLD__STASHES && s->file != NULL) {
        s++;
    }
    if (s == w->stashes + HF_WORLD__STASHES) {
        return;
    }
    s->file = o->file;
    hf_disk_hold(s->file);
    s->offset = op->offset;
    s->size = op->size;
    s->old = calloc(1, op->size);
    s->data = malloc(op->size);
    HF_ASSERT(s->old != NULL && s->data != NULL);
    (void)hf_disk_read(o->file, op->offset, s->old, op->size); /* past the end: zeros */
    memcpy(s->data, op->data, op->size);
    s->left = 1 + (w->faults.confined ? w->faults.confined_after : 0); /* its own end counts */
    s->strays = o->strays;
}

static void stash_stray(hf_world *w, const hf_world__stash *s)
{
    hf_disk_file *file;
    uint64_t offset;
    if (!hf_disk_pick(w->disk, &w->disk_faults, w->faults.damage_only, &file, &offset)) {
        return;
    }
    uint64_t room = hf_disk_size(file) - offset;
    hf_disk_poke_file(file, offset, s->data, s->size < room ? s->size : room);
    damage_record(w, file, offset, "misdirected write lands");
}

static bool stash_is_still_there(const hf_world__stash *s)
{
    uint8_t *now = calloc(1, s->size);
    HF_ASSERT(now != NULL);
    (void)hf_disk_read(s->file, s->offset, now, s->size);
    bool same = memcmp(now, s->data, s->size) == 0 && memcmp(s->old, s->data, s->size) != 0;
    free(now);
    return same;
}

void hf_world__stash_follow(hf_world *w, const hf_disk_file *file, uint32_t writes)
{
    for (int i = 0; i < HF_WORLD__STASHES; i++) {
        hf_world__stash *s = &w->stashes[i];
        if (s->file != file || s->file == NULL) {
            continue;
        }
        s->left -= s->left < writes ? s->left : writes;
        if (s->left != 0 || !hf_disk_is_durable(s->file, s->offset, s->size)) {
            continue;
        }
        if (stash_is_still_there(s) && hf_disk_file_path(w->disk, s->file) != NULL) {
            hf_disk_poke_file(s->file, s->offset, s->old, s->size);
            damage_record(w, s->file, s->offset, s->strays ? "misdirected write" : "lost write");
            if (s->strays) {
                w->stats.misdirected_write++;
                stash_stray(w, s);
            } else {
                w->stats.lost_write++;
            }
        }
        stash_end(w, s);
    }
}
