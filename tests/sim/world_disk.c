/* Operations on files: their time, their order, their errors, and what a crash makes of them. */
#include "tests/sim/world_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DISK_POISON = 0xa5 };

/* ---- Handles
 * ------------------------------------------------------------------------------------- */

static hf_world__handle *disk_handle(hf_world *w, int32_t file)
{
    /* A handle that is not open is a bug of the caller. */
    HF_ASSERT(file >= 0 && (uint32_t)file < w->handle_count && w->handles[file].file != NULL);
    return &w->handles[file];
}

static int32_t disk_handle_new(hf_world *w, hf_disk_file *file, uint8_t flags)
{
    uint32_t i = 0;
    while (i < w->handle_count && w->handles[i].file != NULL) {
        i++; /* the lowest, as the kernel: numbers come again soon */
    }
    if (i == w->handle_count) {
        w->handles = realloc(w->handles, (w->handle_count + 1) * sizeof *w->handles);
        HF_ASSERT(w->handles != NULL);
        w->handle_count++;
    }
    hf_disk_hold(file);
    w->handles[i] = (hf_world__handle){ file, flags };
    return (int32_t)i;
}

static void disk_handle_end(hf_world *w, hf_world__handle *handle)
{
    hf_disk_file *file = handle->file;
    handle->file = NULL;
    hf_disk_release(w->disk, file);
}

/* ---- Operations: made when asked for, in flight from the turn's end
 * ------------------------------- */

static hf_world__op *op_new(hf_world *w)
{
    hf_world__op *o = w->ops_spare;
    if (o == NULL) {
        o = malloc(sizeof *o);
        HF_ASSERT(o != NULL);
    } else {
        w->ops_spare = o->next;
    }
    memset(o, 0, sizeof *o);
    return o;
}

static void op_free(hf_world *w, hf_world__op *o)
{
    if (o->file != NULL) {
        hf_disk_release(w->disk, o->file);
    }
    hf_world__cancel(w, &o->event);
    o->next = w->ops_spare;
    w->ops_spare = o;
}

static void op_unlink(hf_world *w, hf_world__op *o)
{
    *(o->prev == NULL ? &w->ops_first : &o->prev->next) = o->next;
    *(o->next == NULL ? &w->ops_last : &o->next->prev) = o->prev;
}

static bool op_is_io(const hf_io_op *op)
{
    return op->kind == HF_IO_READ || op->kind == HF_IO_WRITE;
}

static bool op_has_handle(const hf_io_op *op)
{
    return op_is_io(op) || op->kind == HF_IO_CLOSE || op->kind == HF_IO_SYNC ||
           op->kind == HF_IO_ALLOCATE;
}

/* What a caller may ask for: anything else is a bug of the caller. */
static void op_check(hf_world *w, const hf_io *io, const hf_io_op *op)
{
    HF_PRE(w->calling < 0 || w->calling == io->core);
    HF_PRE(op->kind <= HF_IO_MKDIR && op->done != NULL);
    if (!op_has_handle(op)) {
        HF_PRE(op->path != NULL && (op->kind != HF_IO_RENAME || op->path_to != NULL));
        return;
    }
    const hf_world__handle *handle = disk_handle(w, op->file);
    if (op_is_io(op) && (handle->flags & HF_IO_DIRECT) != 0) {
        uint64_t mask = io->file_align - 1;
        HF_ASSERT((op->offset & mask) == 0);
        HF_ASSERT((op->size & mask) == 0);
        HF_ASSERT(((uintptr_t)op->data & mask) == 0);
    }
    HF_ASSERT(op->kind != HF_IO_WRITE || (handle->flags & HF_IO_READONLY) == 0);
}

void hf_world__submit(hf_io *io, hf_io_op *op)
{
    hf_world__core *core = (hf_world__core *)(void *)io;
    hf_world *w = core->world;
    op_check(w, io, op);
    hf_world__op *o = op_new(w);
    o->op = op;
    o->core = io->core;
    if (op_has_handle(op)) {
        hf_world__handle *handle = disk_handle(w, op->file);
        o->file = handle->file;
        hf_disk_hold(o->file);
        if (op->kind == HF_IO_WRITE) {
            o->hash = hf_world_hash(0, op->data, op->size);
        }
        if (op->kind == HF_IO_CLOSE) {
            disk_handle_end(w, handle); /* operations before it keep the file */
        }
    }
    op->next = NULL;
    if (core->asked == NULL) {
        core->asked = o;
    } else {
        core->asked_last->next = o;
    }
    core->asked_last = o;
    hf_world__wake(core);
}

static uint64_t op_latency(hf_world *w, const hf_io_op *op)
{
    const hf_world_faults *f = &w->faults;
    uint64_t mean = op->kind == HF_IO_READ ? f->disk_read_ns_mean : f->disk_write_ns_mean;
    uint64_t kib = op_is_io(op) ? (op->size + 1023) / 1024 : 0;
    uint64_t delay =
        f->disk_ns_min + hf_world_prng_expo(&w->disk_pace, mean) + kib * f->disk_kib_ns;
    if (hf_world__draws(w, &w->disk_pace, &f->disk_tail)) {
        delay += hf_world_prng_between(&w->disk_pace, 0, f->disk_tail_ns_max);
        w->stats.disk_tail++;
    }
    if (w->now < w->disk_slow_until) {
        delay = w->disk_slow_factor != 0 ? delay * w->disk_slow_factor
                                         : w->disk_slow_until - w->now + delay % 1000;
    }
    return delay;
}

static bool op_draws_error(hf_world *w, const hf_io_op *op)
{
    hf_world_prng *prng = &w->disk_faults;
    const hf_world_faults *f = &w->faults;
    switch ((hf_io_kind)op->kind) {
    case HF_IO_READ:
        return hf_world__draws(w, prng, &f->read_error);
    case HF_IO_WRITE:
        return (op->flags & HF_IO_DURABLE) != 0 && hf_world_prng_coin(prng)
                   ? hf_world__draws(w, prng, &f->sync_error)
                   : hf_world__draws(w, prng, &f->write_error);
    case HF_IO_SYNC:
    case HF_IO_SYNC_DIR:
        return hf_world__draws(w, prng, &f->sync_error);
    case HF_IO_CLOSE:
        return false;
    case HF_IO_OPEN:
    case HF_IO_ALLOCATE:
    case HF_IO_RENAME:
    case HF_IO_UNLINK:
    case HF_IO_MKDIR:
        return hf_world__draws(w, prng, &f->name_error);
    }
    HF_UNREACHABLE();
}

static void op_start(hf_world *w, hf_world__op *o)
{
    const hf_io_op *op = o->op;
    o->number = ++w->op_number;
    o->sequence = hf_disk_sequence(w->disk);
    o->fails = op_draws_error(w, op);
    if (op->kind == HF_IO_WRITE && op->size != 0) {
        bool may = !o->fails && hf_world__damageable(w, o->file);
        o->lost = may && hf_world__draws(w, &w->disk_faults, &w->faults.lost_write);
        o->strays = may && hf_world__draws(w, &w->disk_faults, &w->faults.misdirected_write);
    }
    if (op->kind == HF_IO_READ) {
        memset(op->data, DISK_POISON, op->size); /* the kernel may write at any time */
    }
    uint64_t delay = op_latency(w, op);
    o->done_at = w->now + delay;
    if (w->faults.disk_in_order) {
        o->done_at = o->done_at > w->disk_last_done ? o->done_at : w->disk_last_done + 1;
        w->disk_last_done = o->done_at;
    }
    o->prev = w->ops_last;
    o->next = NULL;
    *(w->ops_last == NULL ? &w->ops_first : &w->ops_last->next) = o;
    w->ops_last = o;
    uint64_t land = w->now + hf_world_prng_between(&w->disk_pace, 0, o->done_at - w->now);
    if (op->kind == HF_IO_READ || op->kind == HF_IO_CLOSE) {
        o->event = hf_world__schedule(w, HF_WORLD__DONE, o->core, o->done_at, o);
    } else {
        o->event = hf_world__schedule(w, HF_WORLD__LAND, o->core, land, o);
    }
}

void hf_world__ops_start(hf_world *w, hf_world__core *core)
{
    hf_world__op *o = core->asked;
    core->asked = NULL;
    core->asked_last = NULL;
    while (o != NULL) {
        hf_world__op *next = o->next;
        op_start(w, o);
        o = next;
    }
}

/* ---- Landing: the moment at which it happened
 * ---------------------------------------------------- */

static int64_t land_write(hf_world *w, hf_world__op *o)
{
    const hf_io_op *op = o->op;
    uint64_t hash = hf_world_hash(0, op->data, op->size);
    HF_ASSERT(hash == o->hash); /* the buffer of a write changed while it was lent */
    if (o->fails) {
        hf_disk_write_some(w->disk, o->file, op->offset, op->data, op->size, &w->disk_faults);
        if ((op->flags & HF_IO_DURABLE) != 0 && hf_world_prng_coin(&w->disk_faults)) {
            hf_disk_sync_failed(o->file);
        }
        w->stats.write_error++;
        return -EIO;
    }
    if (o->lost || o->strays) {
        hf_world__stash_write(w, o);
    }
    int64_t result = hf_disk_write(w->disk, o->file, op->offset, op->data, op->size);
    w->stats.no_space += result == -ENOSPC;
    w->stats.bytes_written += result > 0 ? (uint64_t)result : 0;
    return result;
}

static int64_t land_sync(hf_world *w, hf_world__op *o)
{
    const hf_io_op *op = o->op;
    if (op->kind == HF_IO_SYNC_DIR) {
        int result = hf_disk_sync_dir(w->disk, op->path, o->sequence, o->fails);
        w->stats.sync_error += o->fails || result == -EIO;
        return o->fails ? -EIO : result;
    }
    w->stats.sync_error += o->fails;
    if (o->fails) {
        hf_disk_sync_failed(o->file);
        return -EIO;
    }
    hf_disk_sync(w->disk, o->file, o->sequence);
    return 0;
}

static int64_t land_open(hf_world *w, const hf_io_op *op)
{
    hf_disk_file *file = NULL;
    int result = hf_disk_file_open(w->disk, op->path, (op->flags & HF_IO_CREATE) != 0,
                                   (op->flags & HF_IO_EXCLUSIVE) != 0, &file);
    return result != 0 ? result : disk_handle_new(w, file, op->flags);
}

static int64_t land_name(hf_world *w, hf_world__op *o)
{
    const hf_io_op *op = o->op;
    if (o->fails) {
        w->stats.name_error++;
        return -EIO;
    }
    if (op->kind == HF_IO_OPEN) {
        return land_open(w, op);
    }
    if (op->kind == HF_IO_RENAME) {
        return hf_disk_rename(w->disk, op->path, op->path_to);
    }
    if (op->kind == HF_IO_UNLINK) {
        return hf_disk_unlink(w->disk, op->path);
    }
    if (op->kind == HF_IO_MKDIR) {
        return hf_disk_mkdir(w->disk, op->path);
    }
    HF_ASSERT(op->kind == HF_IO_ALLOCATE);
    int result = hf_disk_allocate(w->disk, o->file, op->size,
                                  w->faults.allocate_junk ? &w->disk_faults : NULL);
    w->stats.no_space += result == -ENOSPC;
    return result;
}

void hf_world__land(hf_world *w, hf_world__op *o)
{
    const hf_io_op *op = o->op;
    o->event = NULL;
    if (op->kind == HF_IO_WRITE) {
        o->result = land_write(w, o);
    } else if (op->kind == HF_IO_SYNC || op->kind == HF_IO_SYNC_DIR) {
        o->result = land_sync(w, o);
    } else {
        o->result = land_name(w, o);
    }
    o->landed = true;
    hf_world__record(w, HF_WORLD__LAND, o->core, o->hash ^ (uint64_t)o->result, o->number,
                     (uint64_t)op->kind << 56 | op->offset, NULL);
    o->event = hf_world__schedule(w, HF_WORLD__DONE, o->core, o->done_at, o);
}

/* ---- Completion
 * ---------------------------------------------------------------------------------- */

static int64_t done_read(hf_world *w, hf_world__op *o)
{
    if (o->fails) {
        w->stats.read_error++;
        return -EIO;
    }
    const hf_io_op *op = o->op;
    int64_t result = hf_disk_read(o->file, op->offset, op->data, op->size);
    o->hash = hf_world_hash(0, op->data, (uint64_t)result);
    w->stats.bytes_read += (uint64_t)result;
    return result;
}

void hf_world__done(hf_world *w, hf_world__op *o)
{
    hf_world__core *core = &w->cores[o->core];
    hf_io_op *op = o->op;
    HF_ASSERT(core->booted);
    o->event = NULL;
    int64_t result = o->result;
    if (op->kind == HF_IO_READ) {
        result = done_read(w, o);
    } else if (op->kind == HF_IO_WRITE && result > 0) {
        HF_ASSERT(hf_world_hash(0, op->data, op->size) == o->hash); /* changed while lent */
        if ((op->flags & HF_IO_DURABLE) != 0) {
            hf_disk_settle(w->disk, o->file, op->offset, op->size);
        }
        hf_world__stash_follow(w, o->file, 1);
    } else if (op->kind == HF_IO_SYNC && result == 0) {
        hf_world__stash_follow(w, o->file, 0);
    }
    hf_world__enter(core);
    hf_world__record(w, HF_WORLD__DONE, o->core, o->hash, o->number, (uint64_t)result, NULL);
    w->stats.disk_ops++;
    op_unlink(w, o);
    op_free(w, o);
    w->calling = core->io.core;
    op->done(op, result);
    w->calling = -1;
}

hf_err hf_world__list(hf_io *io, const char *path, hf_io_name *name, void *context)
{
    hf_world__core *core = (hf_world__core *)(void *)io;
    int result = hf_disk_list(core->world->disk, path, name, context);
    return result == 0 ? HF_OK : HF_E_NOTFOUND;
}

/* ---- Crash
 * --------------------------------------------------------------------------------------- */

/* What was in flight and had not landed: it may yet have. */
static void crash_op(hf_world *w, hf_world__op *o, hf_world_crash_kind kind)
{
    const hf_io_op *op = o->op;
    hf_world_prng *prng = &w->disk_crash;
    bool happened = hf_world_prng_coin(prng);
    if (o->landed || o->fails) {
        return;
    }
    if (op->kind == HF_IO_WRITE) {
        HF_ASSERT(hf_world_hash(0, op->data, op->size) == o->hash); /* changed while lent */
        if (kind == HF_WORLD_POWER) {
            hf_disk_write_some(w->disk, o->file, op->offset, op->data, op->size, prng);
            w->stats.torn_writes++;
        } else if (happened) {
            (void)hf_disk_write(w->disk, o->file, op->offset, op->data, op->size);
        }
    } else if (happened && op->kind != HF_IO_READ && op->kind != HF_IO_CLOSE &&
               op->kind != HF_IO_SYNC && op->kind != HF_IO_SYNC_DIR) {
        (void)land_name(w, o);
    }
}

static void asked_free(hf_world *w, hf_world__core *core)
{
    while (core->asked != NULL) { /* never left the process */
        hf_world__op *o = core->asked;
        core->asked = o->next;
        op_free(w, o);
    }
    core->asked_last = NULL;
}

static void disk_let_go(hf_world *w)
{
    while (w->ops_first != NULL) {
        hf_world__op *o = w->ops_first;
        op_unlink(w, o);
        op_free(w, o);
    }
    for (uint16_t i = 0; i < w->core_count; i++) {
        asked_free(w, &w->cores[i]);
    }
    for (uint32_t i = 0; i < w->handle_count; i++) {
        if (w->handles[i].file != NULL) {
            disk_handle_end(w, &w->handles[i]);
        }
    }
    hf_world__stash_drop(w);
}

void hf_world__disk_crash(hf_world *w, hf_world_crash_kind kind)
{
    for (hf_world__op *o = w->ops_first; o != NULL; o = o->next) {
        crash_op(w, o, kind);
    }
    disk_let_go(w);
    if (kind == HF_WORLD_POWER) {
        hf_disk_power_loss(w->disk, &w->disk_crash, &w->stats.losses);
    }
}

uint64_t hf_world_writing(const hf_world *w)
{
    uint64_t most = 0;
    for (const hf_world__op *o = w->ops_first; o != NULL; o = o->next) {
        bool durable = o->op->kind == HF_IO_WRITE && (o->op->flags & HF_IO_DURABLE) != 0;
        if (durable && !o->landed && !o->fails && o->op->size > most) {
            most = o->op->size;
        }
    }
    return most;
}

void hf_world__disk_free(hf_world *w)
{
    disk_let_go(w);
    while (w->ops_spare != NULL) {
        hf_world__op *o = w->ops_spare;
        w->ops_spare = o->next;
        free(o);
    }
    free(w->handles);
    hf_disk_close(w->disk);
}
