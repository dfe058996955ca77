#include "engine/shard/owner_impl.h"
#include "engine/shard/session/server.h"

static const uint8_t user_space_end[] = { HF_SPACE_USER + 1 };

static void saw(hf_shard *shard, const hf_got *got)
{
    if (got->lsn > shard->view_lsn) {
        shard->view_lsn = got->lsn;
    }
}

/* Whether the reading sees the key as gone. What somebody was told must stay true after a restart
 * under a clock that was set back: who tells of it has the log's horizon cover the reading's
 * timestamp (shard->view_expired). */
static bool expired(hf_shard *shard, uint64_t expire_ms, uint64_t ts)
{
    bool gone = hf_value_expired(expire_ms, ts);
    shard->view_expired = shard->view_expired || gone;
    return gone;
}

/* What the table shows is there until it expires: so long the evaluation holds. (What the
 * transaction wrote itself binds nobody: it expires as it will.) */
static bool stored_expired(hf_shard *shard, uint64_t expire_ms, uint64_t ts)
{
    bool gone = expired(shard, expire_ms, ts);
    if (!gone && expire_ms != 0 && expire_ms < shard->view_until / 1000000) {
        shard->view_until = expire_ms * 1000000;
    }
    return gone;
}

static uint64_t at_of(const hf_view *view)
{
    return ((const hf_shard *)view->context)->view_at;
}

static void read_table(hf_view *view, hf_bytes key, uint64_t hash, hf_value *value)
{
    hf_shard *shard = view->context;
    hf_got got = hf_table_get_hashed(shard->table, key, hash, at_of(view));
    saw(shard, &got);
    *value = got.value;
    if (stored_expired(shard, value->expire_ms, view->ts)) {
        *value = (hf_value){ .kind = HF_KIND_NONE };
    }
}

/* The internal key and its hash: known for the keys of the transaction; else made in `at`. `lock`:
 * the key's; NULL: nobody has it. */
static uint64_t inner(const hf_shard *shard, hf_bytes user, hf_internal_key *at, hf_bytes *internal,
                      hf_lock **lock)
{
    const want *w = shard->one_key.size == 0 ? hf_owner__want_of(shard, user) : NULL;
    if (w == NULL && shard->one_key.size == user.size + 1 &&
        memcmp(shard->one_key.data + 1, user.data, user.size) == 0) {
        *internal = shard->one_key;
        if (lock != NULL) {
            *lock = hf_lock_find(shard->locks, *internal, shard->one_hash);
        }
        return shard->one_hash;
    }
    *internal = w != NULL ? w->key : hf_internal_key_set(at, user);
    uint64_t hash = w != NULL ? w->hash : hf_table_hash(shard->table, *internal);
    if (lock != NULL) {
        *lock =
            w != NULL && w->lock != NULL ? w->lock : hf_lock_find(shard->locks, *internal, hash);
    }
    return hash;
}

static void owner_get(hf_view *view, hf_bytes user, hf_value *value)
{
    hf_shard *shard = view->context;
    *value = (hf_value){ .kind = HF_KIND_NONE };
    if (user.size > HF_KEY_SIZE_MAX) {
        return;
    }
    hf_internal_key key;
    hf_bytes internal;
    uint64_t hash = inner(shard, user, &key, &internal, NULL);
    if (shard->view_many && hf_workspace_get(&shard->workspace, internal, value)) {
        if (expired(shard, value->expire_ms, view->ts)) {
            *value = (hf_value){ .kind = HF_KIND_NONE };
        }
        return;
    }
    read_table(view, internal, hash, value);
}

static void owner_pending(hf_view *view, hf_bytes user, hf_bytes field, hf_escrow_pending *pending)
{
    hf_shard *shard = view->context;
    *pending = (hf_escrow_pending){ .min = INT64_MIN, .max = INT64_MAX };
    if (hf_lock_table_idle(shard->locks)) {
        return;
    }
    hf_internal_key key;
    hf_bytes internal;
    hf_lock *lock;
    (void)inner(shard, user, &key, &internal, &lock);
    const hf_lock_escrow *escrow = hf_lock_escrow_find(lock, field);
    if (escrow != NULL) {
        *pending = (hf_escrow_pending){
            .plus = escrow->plus, .minus = escrow->minus, .min = escrow->min, .max = escrow->max
        };
    }
    pending->other_kind = hf_lock_escrow_any(lock, field.size == 0);
}

static hf_bytes space_end(hf_bytes end)
{
    return end.size != 0 ? end : hf_bytes_of(user_space_end, 1);
}

/* One entry of a scan: own writes win over the table. False: not there. */
static bool scan_value(hf_view *view, const hf_cursor *cursor, hf_value *value)
{
    hf_shard *shard = view->context;
    if (shard->view_many && hf_workspace_get(&shard->workspace, cursor->key, value)) {
        return value->kind != HF_KIND_NONE && !expired(shard, value->expire_ms, view->ts);
    }
    hf_got got = hf_table_at(shard->table, cursor, at_of(view));
    saw(shard, &got);
    *value = got.value;
    return value->kind != HF_KIND_NONE && !stored_expired(shard, value->expire_ms, view->ts);
}

/* ---- Keys in order: those of the table, and between them those that the transaction made ---- */

typedef struct own_list {
    hf_bytes from, to;
    hf_buf keys; /* hf_bytes, sorted */
} own_list;

static void note_own(void *context, hf_bytes key, const hf_value *value)
{
    own_list *own = context;
    if (value->kind != HF_KIND_NONE && hf_bytes_compare(key, own->from) >= 0 &&
        hf_bytes_compare(key, own->to) < 0) {
        hf_buf_raw(&own->keys, &key, sizeof key);
    }
}

/* Without memory the view's command fails as one whose effects have no room. */
static uint32_t sort_own(hf_view *view, own_list *own)
{
    uint32_t count = own->keys.size / (uint32_t)sizeof(hf_bytes);
    if (own->keys.failed) {
        view->mutations->failed = true;
        return 0;
    }
    if (count > 1) {
        hf_word_sort((hf_bytes *)(void *)own->keys.data, count);
    }
    return count;
}

/* The next of `count` that are left. */
static const hf_bytes *own_next(const own_list *own, uint32_t count, bool reverse)
{
    const hf_bytes *keys = (const hf_bytes *)(const void *)own->keys.data;
    uint32_t all = own->keys.size / (uint32_t)sizeof(hf_bytes);
    return count == 0 ? NULL : &keys[reverse ? count - 1 : all - count];
}

static bool own_value(hf_view *view, hf_bytes key, hf_value *value)
{
    hf_shard *shard = view->context;
    return hf_workspace_get(&shard->workspace, key, value) && value->kind != HF_KIND_NONE &&
           !expired(shard, value->expire_ms, view->ts);
}

/* Below 0: the cursor's key comes first; above: the own one; 0: they are the same. */
static int whose_turn(const own_list *own, bool more, const hf_cursor *cursor, const hf_bytes *next,
                      bool reverse)
{
    more = more && (reverse ? hf_bytes_compare(cursor->key, own->from) >= 0
                            : hf_bytes_compare(cursor->key, own->to) < 0);
    if (!more || next == NULL) {
        return more ? -1 : 1;
    }
    int order = hf_bytes_compare(cursor->key, *next);
    return reverse ? -order : order;
}

static void owner_scan(hf_view *view, hf_bytes start, hf_bytes end, bool reverse,
                       hf_view_visit *visit, void *context)
{
    hf_shard *shard = view->context;
    hf_internal_key a;
    hf_internal_key b;
    own_list own = { .from = hf_internal_key_set(&a, start) };
    own.to = space_end(end.size == 0 ? end : hf_internal_key_set(&b, end));
    hf_buf_open(&own.keys, shard->heap);
    if (shard->view_many) {
        hf_workspace_each(&shard->workspace, note_own, &own);
    }
    uint32_t left = sort_own(view, &own);
    hf_cursor cursor;
    bool more = reverse ? hf_table_seek_before(shard->table, own.to, &cursor)
                        : hf_table_seek(shard->table, own.from, &cursor);
    for (;;) {
        const hf_bytes *next = own_next(&own, left, reverse);
        int order = whose_turn(&own, more, &cursor, next, reverse);
        if (order > 0 && next == NULL) {
            break;
        }
        hf_value value;
        hf_bytes key = order > 0 ? *next : cursor.key;
        bool there = order > 0 ? own_value(view, key, &value) : scan_value(view, &cursor, &value);
        if (there && !visit(context, hf_bytes_of(key.data + 1, key.size - 1), &value)) {
            break;
        }
        left -= order >= 0;
        if (order <= 0) {
            more = reverse ? hf_table_prev(shard->table, &cursor)
                           : hf_table_next(shard->table, &cursor);
        }
    }
    hf_buf_close(&own.keys);
}

typedef struct pick {
    hf_bytes key;
    bool found;
} pick;

static bool pick_first(void *context, hf_bytes key, const hf_value *value)
{
    pick *p = context;
    (void)value;
    p->key = key;
    p->found = true;
    return false;
}

/* A random place in the hash; from there on in key order, for the rare case that it is no live user
 * key. */
static hf_bytes owner_pick(hf_view *view)
{
    enum { TRIES = 16 };
    hf_shard *shard = view->context;
    hf_cursor cursor;
    for (int i = 0; i < TRIES; i++) {
        hf_value value;
        if (hf_table_pick(shard->table, hf_prng_next(&shard->prng), &cursor) &&
            cursor.key.data[0] == HF_SPACE_USER && scan_value(view, &cursor, &value)) {
            return hf_bytes_of(cursor.key.data + 1, cursor.key.size - 1);
        }
    }
    pick first = { .found = false };
    owner_scan(view, hf_bytes_of(NULL, 0), hf_bytes_of(NULL, 0), false, pick_first, &first);
    return first.found ? first.key : hf_bytes_of(NULL, 0);
}

static bool count_one(void *context, hf_bytes key, const hf_value *value)
{
    (void)key;
    (void)value;
    *(uint64_t *)context += 1;
    return true;
}

/* The table counts its newest state alone; what has expired is in it until it is taken back. */
static uint64_t owner_count(hf_view *view)
{
    hf_shard *shard = view->context;
    if (shard->view_at != HF_TS_MAX) {
        uint64_t count = 0;
        owner_scan(view, hf_bytes_of(NULL, 0), hf_bytes_of(NULL, 0), false, count_one, &count);
        return count;
    }
    shard->view_lsn = hf_shard__appended(shard);
    int64_t own = 0; /* what this transaction added or removed */
    if (shard->view_many) {
        own = hf_view__own_keys(shard);
    }
    return (uint64_t)((int64_t)(hf_table_stats_get(shard->table).keys - shard->system_keys) + own);
}

typedef struct own_keys {
    hf_shard *shard;
    int64_t change;
} own_keys;

static void own_key(void *context, hf_bytes key, const hf_value *value)
{
    own_keys *own = context;
    hf_got got = hf_table_get(own->shard->table, key, HF_TS_MAX);
    own->change += (value->kind != HF_KIND_NONE) - (got.value.kind != HF_KIND_NONE);
}

int64_t hf_view__own_keys(hf_shard *shard)
{
    own_keys own = { shard, 0 };
    hf_workspace_each(&shard->workspace, own_key, &own);
    return own.change;
}

static const hf_view_ops owner_ops = {
    .get = owner_get,
    .pending = owner_pending,
    .scan = owner_scan,
    .pick = owner_pick,
    .count = owner_count,
};

void hf_view__open(hf_shard *shard, hf_view *view, uint64_t at, uint64_t ts, uint8_t proto)
{
    *view = (hf_view){ .ops = &owner_ops,
                       .context = shard,
                       .ts = ts,
                       .mutations = &shard->mutations,
                       .proto = proto };
    shard->view_at = at;
    shard->view_lsn = 0;
    shard->view_expired = false;
    shard->view_until = UINT64_MAX;
}

void hf_view__fetch(void *context, hf_bytes key, hf_value *value)
{
    hf_view *view = context;
    read_table(view, key, hf_shard__hash(view->context, key), value);
}

uint64_t hf_view__stamp(hf_shard *shard, hf_bytes user, uint64_t ts)
{
    hf_internal_key key;
    hf_bytes internal = hf_internal_key_set(&key, user);
    hf_got got =
        hf_table_get_hashed(shard->table, internal, hf_shard__hash(shard, internal), HF_TS_MAX);
    saw(shard, &got);
    if (got.ts == 0) {
        /* Nothing was ever here, as far as this owner knows: that it stayed so is worth no more
         * than the range's generation. */
        const hf_range *range =
            &shard->map.ranges[hf_range_find(&shard->map, hf_bytes_of(key.data, key.size))];
        return (uint64_t)1 << 63 | range->generation;
    }
    return got.ts * 2 + stored_expired(shard, got.value.expire_ms, ts);
}

/* ---- A coordinator's copy of records of several shards ---- */

static void workspace_get(hf_view *view, hf_bytes user, hf_value *value)
{
    const hf_workspace *workspace = view->context;
    hf_internal_key key;
    *value = (hf_value){ .kind = HF_KIND_NONE };
    if (user.size > HF_KEY_SIZE_MAX) {
        return;
    }
    if (hf_workspace_get(workspace, hf_internal_key_set(&key, user), value) &&
        hf_value_expired(value->expire_ms, view->ts)) {
        *value = (hf_value){ .kind = HF_KIND_NONE };
    }
}

static void workspace_pending(hf_view *view, hf_bytes key, hf_bytes field,
                              hf_escrow_pending *pending)
{
    (void)view;
    (void)key;
    (void)field;
    /* The keys are held exclusively: nothing is pending. */
    *pending = (hf_escrow_pending){ .min = INT64_MIN, .max = INT64_MAX };
}

/* All keys that are there: who runs a command over all keys has fetched all of them. */
static void workspace_scan(hf_view *view, hf_bytes start, hf_bytes end, bool reverse,
                           hf_view_visit *visit, void *context)
{
    const hf_workspace *workspace = view->context;
    hf_internal_key a;
    hf_internal_key b;
    own_list own = { .from = hf_internal_key_set(&a, start) };
    own.to = space_end(end.size == 0 ? end : hf_internal_key_set(&b, end));
    hf_buf_open(&own.keys, workspace->mutations.heap);
    hf_workspace_all(workspace, note_own, &own);
    for (uint32_t left = sort_own(view, &own); left > 0; left--) {
        hf_bytes key = *own_next(&own, left, reverse);
        hf_value value;
        HF_ASSERT(hf_workspace_get(workspace, key, &value));
        if (!hf_value_expired(value.expire_ms, view->ts) &&
            !visit(context, hf_bytes_of(key.data + 1, key.size - 1), &value)) {
            break;
        }
    }
    hf_buf_close(&own.keys);
}

static uint64_t workspace_count(hf_view *view)
{
    uint64_t count = 0;
    hf_bytes all = hf_bytes_of(NULL, 0);
    workspace_scan(view, all, all, false, count_one, &count);
    return count;
}

typedef struct nth {
    uint64_t left;
    hf_bytes key;
} nth;

static bool find_nth(void *context, hf_bytes key, const hf_value *value)
{
    nth *n = context;
    (void)value;
    n->key = key;
    return n->left-- != 0;
}

static hf_bytes workspace_pick(hf_view *view)
{
    uint64_t count = workspace_count(view);
    nth n = { .left = count == 0 ? 0 : view->draw % count };
    hf_bytes all = hf_bytes_of(NULL, 0);
    workspace_scan(view, all, all, false, find_nth, &n);
    return n.key;
}

static const hf_view_ops workspace_ops = {
    .get = workspace_get,
    .pending = workspace_pending,
    .scan = workspace_scan,
    .pick = workspace_pick,
    .count = workspace_count,
};

void hf_view__open_workspace(hf_shard *shard, hf_view *view, hf_workspace *workspace, uint64_t ts,
                             uint8_t proto)
{
    (void)shard;
    *view = (hf_view){ .ops = &workspace_ops,
                       .context = workspace,
                       .ts = ts,
                       .mutations = &workspace->mutations,
                       .proto = proto };
}
