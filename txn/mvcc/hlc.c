#include "txn/mvcc/hlc.h"

bool hf_hlc_poisoned(uint64_t ts, uint64_t wall_ns, uint64_t bound_ns)
{
    /* ts - wall_ns > 2 * bound_ns, without the product: a bound may be anything. */
    return ts > wall_ns && (ts - wall_ns - 1) / 2 >= bound_ns;
}
