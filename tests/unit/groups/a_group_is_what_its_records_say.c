/* Claim: a group comes back as its records say it was, in their order; what is no record, or not in
 * its place, is refused, and no bytes do harm. */
#include "engine/base/buf.h"
#include "tests/unit/groups/cluster.h"
#include "txn/raft/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REGION = 4 << 20, ROOM = 4096, HARD = 1, INSTALL = 2, WHOLE = 4, GONE = 8, GROUP = 9 };

typedef struct home {
    void *region;
    hf_heap *heap;
    hf_groups *groups;
} home;

static hf_err refuse(void *context, uint64_t group, const hf_bytes *parts, uint32_t count,
                     uint64_t *lsn)
{
    (void)context;
    (void)group;
    (void)parts;
    (void)count;
    *lsn = 0;
    return HF_E_FULL;
}

static home begin(void)
{
    home h = { .region = aligned_alloc(65536, REGION) };
    hf_groups_config config = { .self = 1,
                                .start = 1,
                                .groups_max = 4,
                                .entry_bytes_max = 1024,
                                .packet_bytes_max = 64 * 1024,
                                .raft = { .election_ns = 100, .spread_ns = 1 } };
    hf_groups_handler handler = { .persist = refuse };
    assert_non_null(h.region);
    h.heap = hf_heap_open(h.region, REGION);
    assert_int_equal(hf_groups_open(h.heap, &config, &handler, &h.groups), HF_OK);
    return h;
}

static void end(home *h)
{
    hf_groups_close(h->groups);
    assert_int_equal(hf_heap_lent(h->heap), 0);
    hf_heap_close(h->heap);
    free(h->region);
}

/* ---- Records by hand ---- */

typedef struct record {
    uint8_t bytes[ROOM];
    hf_writer w;
} record;

static record *head(uint32_t flags, uint32_t vote, uint64_t term, uint64_t index, uint64_t log_term,
                    uint64_t first, uint64_t last)
{
    static record r;
    r.w = (hf_writer){ r.bytes, r.bytes + sizeof r.bytes, false };
    hf_write_u8(&r.w, 1);
    hf_write_u8(&r.w, (uint8_t)flags);
    hf_write_u16(&r.w, 0);
    hf_write_u32(&r.w, vote);
    hf_write_u64(&r.w, term);
    hf_write_u64(&r.w, 0);
    hf_write_u64(&r.w, index);
    hf_write_u64(&r.w, log_term);
    hf_write_u64(&r.w, first);
    hf_write_u64(&r.w, last);
    if ((flags & INSTALL) != 0) {
        hf_raft_config three = { .node = { 1, 2, 3 },
                                 .role = { HF_RAFT_VOTER, HF_RAFT_VOTER, HF_RAFT_VOTER },
                                 .count = 3 };
        hf_raft_config_write(&r.w, &three);
    }
    return &r;
}

static record *entry(record *r, uint64_t term, const char *payload)
{
    hf_write_u64(&r->w, term);
    hf_write_u32(&r->w, HF_RAFT_DATA);
    hf_write_bytes(&r->w, hf_bytes_of(payload, strlen(payload)));
    return r;
}

static hf_bytes view(const record *r)
{
    return hf_bytes_of(r->bytes, (size_t)(r->w.at - r->bytes));
}

static hf_err take(home *h, const record *r)
{
    return hf_groups_replay(h->groups, GROUP, view(r));
}

static void first_life(home *h)
{
    assert_int_equal(take(h, head(HARD | INSTALL | WHOLE, 0, 0, 0, 0, 1, 0)), HF_OK);
}

/* What the group is, as a checkpoint would have it; the caller's until the next call. */
static hf_bytes saved(home *h)
{
    static uint8_t bytes[ROOM];
    hf_buf out;
    hf_buf_open(&out, h->heap);
    assert_true(hf_groups_save(h->groups, GROUP, &out));
    assert_true(out.size <= sizeof bytes);
    memcpy(bytes, out.data, out.size);
    hf_bytes all = hf_bytes_of(bytes, out.size);
    hf_buf_close(&out);
    return all;
}

static void assert_saved(home *h, const record *r)
{
    hf_bytes is = saved(h);
    hf_bytes must = view(r);
    assert_int_equal(is.size, must.size);
    assert_memory_equal(is.data, must.data, must.size);
}

/* ---- What they say ---- */

static void term_and_vote(void **state)
{
    (void)state;
    home h = begin();
    first_life(&h);
    assert_int_equal(take(&h, head(HARD, 3, 7, 0, 0, 1, 0)), HF_OK);
    assert_saved(&h, head(HARD | INSTALL | WHOLE, 3, 7, 0, 0, 1, 0));
    assert_int_equal(take(&h, head(HARD, 2, 6, 0, 0, 1, 0)), HF_E_CORRUPT); /* terms only grow */
    end(&h);
}

static void entries_take_the_place_of_others(void **state)
{
    (void)state;
    home h = begin();
    first_life(&h);
    assert_int_equal(take(&h, entry(entry(head(HARD, 1, 2, 0, 0, 1, 2), 1, "one"), 2, "two")),
                     HF_OK);
    assert_int_equal(take(&h, entry(head(HARD, 0, 3, 0, 0, 2, 2), 3, "other")), HF_OK);
    assert_saved(
        &h, entry(entry(head(HARD | INSTALL | WHOLE, 0, 3, 0, 0, 1, 2), 1, "one"), 3, "other"));
    assert_int_equal(take(&h, head(0, 0, 0, 0, 0, 2, 1)), HF_OK); /* the end goes, nothing comes */
    assert_saved(&h, entry(head(HARD | INSTALL | WHOLE, 0, 3, 0, 0, 1, 1), 1, "one"));
    end(&h);
}

static void a_snapshot(void **state)
{
    (void)state;
    home h = begin();
    first_life(&h);
    for (uint64_t i = 1; i <= 6; i++) {
        assert_int_equal(take(&h, entry(head(HARD, 1, 2, 0, 0, i, i), 2, "x")), HF_OK);
    }
    /* What follows it stays, if the log ends behind it as the record says. */
    assert_int_equal(take(&h, head(INSTALL, 0, 0, 4, 2, 7, 6)), HF_OK);
    assert_saved(&h, entry(entry(head(HARD | INSTALL | WHOLE, 1, 2, 4, 2, 5, 6), 2, "x"), 2, "x"));
    /* Else all of the log goes. */
    assert_int_equal(take(&h, head(HARD | INSTALL, 0, 3, 5, 3, 6, 5)), HF_OK);
    assert_saved(&h, head(HARD | INSTALL | WHOLE, 0, 3, 5, 3, 6, 5));
    assert_int_equal(take(&h, head(INSTALL, 0, 0, 4, 2, 5, 4)), HF_E_CORRUPT); /* never back */
    end(&h);
}

static void a_group_goes_and_comes(void **state)
{
    (void)state;
    home h = begin();
    first_life(&h);
    assert_int_equal(take(&h, head(HARD | INSTALL | WHOLE, 0, 0, 0, 0, 1, 0)),
                     HF_OK); /* as empty */
    assert_int_equal(take(&h, head(HARD, 2, 5, 0, 0, 1, 0)), HF_OK);
    assert_int_equal(take(&h, head(HARD | GONE, 0, 4, 0, 0, 1, 0)), HF_E_CORRUPT);
    assert_int_equal(take(&h, head(GONE, 0, 0, 0, 0, 1, 0)), HF_E_CORRUPT);
    assert_int_equal(take(&h, head(HARD | GONE, 0, 5, 0, 0, 1, 0)), HF_OK);
    assert_saved(&h, head(HARD | GONE, 0, 5, 0, 0, 1, 0));                  /* its term stays */
    assert_int_equal(take(&h, head(HARD, 0, 6, 0, 0, 1, 0)), HF_E_CORRUPT); /* it is not there */
    assert_int_equal(take(&h, head(HARD | INSTALL | WHOLE, 0, 4, 0, 0, 1, 0)), HF_E_CORRUPT);
    assert_int_equal(take(&h, head(HARD | INSTALL | WHOLE, 1, 5, 0, 0, 1, 0)), HF_OK);
    assert_saved(&h, head(HARD | INSTALL | WHOLE, 1, 5, 0, 0, 1, 0));
    end(&h);
}

/* As many terms as a machine ever gets room for: it leads nobody, and is stepped no more than
 * others. */
static void more_terms_than_there_is_room_for(void **state)
{
    (void)state;
    home h = begin();
    first_life(&h);
    for (uint64_t i = 1; i <= 4096; i++) {
        assert_int_equal(take(&h, entry(head(HARD, 0, i, 0, 0, i, i), i, "x")), HF_OK);
    }
    assert_int_equal(hf_groups_start(h.groups, 1), HF_OK);
    for (uint64_t now = 2; now < 10; now++) {
        (void)hf_groups_turn(h.groups, now);
    }
    assert_true(hf_groups_stats_get(h.groups).steps < 10);
    hf_groups_check(h.groups);
    end(&h);
}

static void out_of_place(void **state)
{
    (void)state;
    home h = begin();
    assert_int_equal(take(&h, entry(head(HARD, 1, 1, 0, 0, 1, 1), 1, "x")), HF_E_CORRUPT);
    first_life(&h);
    assert_int_equal(take(&h, entry(head(HARD, 1, 1, 0, 0, 2, 2), 1, "x")),
                     HF_E_CORRUPT); /* a gap */
    assert_int_equal(take(&h, entry(head(0, 0, 0, 0, 0, 1, 1), 5, "x")),
                     HF_E_CORRUPT); /* no such term */
    assert_int_equal(take(&h, entry(head(HARD, 1, 1, 0, 0, 1, 1), 1, "x")), HF_OK);
    assert_int_equal(take(&h, head(HARD | INSTALL | WHOLE, 0, 0, 0, 0, 1, 0)),
                     HF_E_CORRUPT); /* it has some */
    record *r = head(HARD, 1, 1, 0, 0, 2, 1);
    r->bytes[0] = 2;
    assert_int_equal(take(&h, r), HF_E_VERSION);
    end(&h);
}

/* Cut short anywhere, or with any bit turned: refused, or another record; never harm. */
static void any_bytes(void **state)
{
    (void)state;
    const record *made =
        entry(entry(head(HARD | INSTALL | WHOLE, 1, 2, 3, 1, 4, 5), 1, "one"), 2, "two");
    uint32_t size = view(made).size;
    uint8_t whole[ROOM];
    memcpy(whole, made->bytes, size);
    for (uint32_t cut = 0; cut < size; cut++) {
        home h = begin();
        assert_int_not_equal(hf_groups_replay(h.groups, GROUP, hf_bytes_of(whole, cut)), HF_OK);
        end(&h);
    }
    for (uint32_t bit = 0; bit < 8 * size; bit++) {
        home h = begin();
        uint8_t bytes[ROOM];
        memcpy(bytes, whole, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (hf_groups_replay(h.groups, GROUP, hf_bytes_of(bytes, size)) == HF_OK) {
            assert_int_equal(hf_groups_start(h.groups, 1), HF_OK);
            hf_groups_check(h.groups);
        }
        end(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(term_and_vote),
        cmocka_unit_test(entries_take_the_place_of_others),
        cmocka_unit_test(a_snapshot),
        cmocka_unit_test(a_group_goes_and_comes),
        cmocka_unit_test(more_terms_than_there_is_room_for),
        cmocka_unit_test(out_of_place),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
