/* Spreading a small data set over the shards by itself.
 *
 * A new node has all its user keys at the first shard. Once a second every shard tells shard 0 how
 * many operations it had and how much it holds; when one has far more than its share, shard 0 asks
 * it to give half of its busiest range away: the range is split at the median of a sample of its
 * keys, and the upper half moves to the shard with least to do. A range is frozen while it moves,
 * so only small ones move by themselves; larger ones by command.
 */
#include "engine/shard/gateway_impl.h"
#include "engine/shard/move.h"

enum {
    SAMPLES = 63,
    BYTES_MOST = 32 * 1024 * 1024, /* of the range's shard */
    RANGES_MOST = 128,
};
static const uint64_t second_ns = 1000000000u;
static const uint64_t rest_ns = 3000000000u; /* between two moves */

static uint64_t take_operations(hf_shard *shard)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < shard->map.count; i++) {
        hf_range *range = &shard->map.ranges[i];
        if (range->shard == shard->self && range->start.size > 0 &&
            range->start.data[0] == HF_SPACE_USER) {
            sum += range->operations;
            range->recent = range->operations;
            range->operations = 0;
        }
    }
    return sum;
}

void hf_balance__turn(hf_shard *shard)
{
    hf_balance *b = &shard->balance;
    if (shard->config.balance_operations == 0 || shard->count == 1 ||
        shard->io->now_ns < b->next_ns) {
        return;
    }
    b->next_ns = shard->io->now_ns + second_ns;
    hf_table_stats table = hf_table_stats_get(shard->table);
    hf_move__report(shard, take_operations(shard), table.bytes, table.keys);
}

/* Shard 0 heard from one: when all have told, look at the second as a whole. */
void hf_balance__heard(hf_shard *shard, uint16_t from, uint64_t operations, uint64_t bytes,
                       uint64_t keys)
{
    hf_balance *b = &shard->balance;
    b->operations[from] = operations;
    b->bytes[from] = bytes;
    b->keys[from] = keys;
    b->heard |= hf_shard_bit(from);
    uint16_t most = 0;
    uint16_t least = 0;
    uint64_t total = 0;
    for (uint16_t i = 0; i < shard->count; i++) {
        if ((b->heard & hf_shard_bit(i)) == 0) {
            return;
        }
        most = b->operations[i] > b->operations[most] ? i : most;
        least = b->operations[i] < b->operations[least] ? i : least;
        total += b->operations[i];
    }
    b->heard = 0;
    bool lopsided = b->operations[most] * shard->count > total + total / 2;
    if (total < shard->config.balance_operations || !lopsided || b->bytes[most] > BYTES_MOST ||
        b->keys[most] < shard->config.balance_keys || shard->map.count >= RANGES_MOST ||
        shard->io->now_ns < b->rest_until_ns) {
        return;
    }
    b->rest_until_ns = shard->io->now_ns + rest_ns;
    hf_move__ask_half(shard, most, least);
}

static bool in_range(hf_bytes key, hf_bytes start, hf_bytes end)
{
    return hf_bytes_compare(key, start) >= 0 && (end.size == 0 || hf_bytes_compare(key, end) < 0);
}

/* The key that cuts the busiest range of this shard in half. False: there is none worth cutting. */
bool hf_balance__cut(hf_shard *shard, hf_internal_key *cut)
{
    uint32_t busiest = UINT32_MAX;
    for (uint32_t i = 0; i < shard->map.count; i++) {
        const hf_range *range = &shard->map.ranges[i];
        if (range->shard == shard->self && range->start.size > 0 &&
            range->start.data[0] == HF_SPACE_USER &&
            (busiest == UINT32_MAX || range->recent > shard->map.ranges[busiest].recent)) {
            busiest = i;
        }
    }
    if (busiest == UINT32_MAX) {
        return false;
    }
    hf_bytes start = shard->map.ranges[busiest].start;
    hf_bytes end = hf_range_end(&shard->map, busiest);
    hf_bytes sample[SAMPLES];
    uint32_t count = 0;
    for (uint32_t tries = 0; tries < 8 * SAMPLES && count < SAMPLES; tries++) {
        hf_cursor cursor;
        if (!hf_table_pick(shard->table, hf_prng_next(&shard->prng), &cursor) ||
            !in_range(cursor.key, start, end)) {
            continue;
        }
        uint32_t at = count++; /* in order, by insertion */
        while (at > 0 && hf_bytes_compare(sample[at - 1], cursor.key) > 0) {
            sample[at] = sample[at - 1];
            at--;
        }
        sample[at] = cursor.key;
    }
    if (count < SAMPLES / 2 || hf_bytes_compare(sample[count / 2], start) <= 0) {
        return false;
    }
    memcpy(cut->data, sample[count / 2].data, sample[count / 2].size);
    cut->size = sample[count / 2].size;
    return true;
}
