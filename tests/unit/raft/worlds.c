#include "tests/unit/raft/worlds.h"

#include <string.h>

#define TWICE (MODEL_SEEN_LEADER | MODEL_SEEN_SECOND_LEADER | MODEL_SEEN_COMMIT)
#define LEASES (TWICE | MODEL_SEEN_LEASE)

/* A world: its name, whether it is too large for CI, what must have happened, what it is. */
#define WORLD(NAME, LARGE, SEEN, ...)                                                              \
    {                                                                                              \
        { .name = #NAME, __VA_ARGS__ }, SEEN, LARGE                                                \
    }
#define MAY(...) .budget = { __VA_ARGS__ }
#define ELECTIONS(N) [MODEL_ELECTIONS] = (N)
#define CRASHES [MODEL_CRASHES] = 1
#define PROPOSALS(N) [MODEL_PROPOSALS] = (N)
#define RESENDS [MODEL_RESENDS] = 1
#define COMPACTIONS [MODEL_COMPACTIONS] = 1
#define LOSSES [MODEL_LOSSES] = 1
#define HAND_OVERS [MODEL_HAND_OVERS] = 1
#define READS(N) [MODEL_READS] = (N)
#define CHANGES(N) [MODEL_CHANGES] = (N)
#define TIMES(N) [MODEL_TIMES] = (N)
/* Three voters, with leader or without; promises that last so long. */
#define NEW .voters = 3
#define LED .voters = 3, .led = true
#define PROMISES(SUPPORT)                                                                          \
    .rate = { 1, 1, 1 }, .support = (SUPPORT), .interval = 1, .short_net = true

/* clang-format off */
const world worlds[] = {
    WORLD(log, false, TWICE | MODEL_SEEN_CUT, NEW, MAY(ELECTIONS(2), PROPOSALS(1))),
    WORLD(three_terms, false, TWICE | MODEL_SEEN_CUT, NEW, MAY(ELECTIONS(3))),
    WORLD(first_crashes, false, TWICE, NEW, .slow = 1, MAY(ELECTIONS(2), CRASHES)),
    WORLD(second_crashes, false, TWICE, NEW, .slow = 2, MAY(ELECTIONS(2), CRASHES)),
    WORLD(slow_ask, false, TWICE, NEW, .slow_ask = true, MAY(ELECTIONS(2))),
    WORLD(snapshot, false, TWICE | MODEL_SEEN_SNAPSHOT, NEW, MAY(ELECTIONS(2), COMPACTIONS)),
    WORLD(resend, false, TWICE, NEW, MAY(ELECTIONS(2), RESENDS)),
    WORLD(read, false, TWICE | MODEL_SEEN_READ, NEW, MAY(ELECTIONS(2), READS(1))),
    WORLD(hand_over, false, TWICE, NEW, MAY(ELECTIONS(1), HAND_OVERS, PROPOSALS(1))),
    WORLD(members, false, TWICE | MODEL_SEEN_JOINT, NEW, MAY(ELECTIONS(2), CHANGES(1))),
    WORLD(grow, false, TWICE | MODEL_SEEN_JOINT, .voters = 2, MAY(ELECTIONS(2), CHANGES(1))),
    WORLD(loss, false, TWICE | MODEL_SEEN_WHOLE, NEW, .slow = 2, MAY(ELECTIONS(2), LOSSES)),
    WORLD(lease, false, LEASES, LED, PROMISES(2), MAY(ELECTIONS(1), TIMES(2))),
    WORLD(lease_rates, false, LEASES,
          LED, .rate = { 3, 4, 4 }, .support = 8, .interval = 3, .margin = 250, .short_net = true,
          MAY(ELECTIONS(1), TIMES(2))),
    WORLD(lease_crash, false, MODEL_SEEN_LEADER | MODEL_SEEN_LEASE,
          LED, PROMISES(2), .slow = 2, MAY(ELECTIONS(1), TIMES(1), CRASHES)),
    WORLD(lease_hand_over, false, LEASES, LED, PROMISES(3), MAY(HAND_OVERS, TIMES(1))),
    WORLD(lease_again, false, LEASES, LED, PROMISES(2), MAY(ELECTIONS(2))),
    WORLD(members_twice, false, TWICE | MODEL_SEEN_JOINT, LED, MAY(ELECTIONS(1), CHANGES(2))),
    WORLD(members_pending, true, TWICE | MODEL_SEEN_JOINT,
          LED, MAY(ELECTIONS(1), CHANGES(1), PROPOSALS(1))),
    WORLD(snapshot_slow, false, MODEL_SEEN_COMMIT | MODEL_SEEN_SNAPSHOT,
          LED, .slow = 2, MAY(PROPOSALS(1), COMPACTIONS, RESENDS, CRASHES)),
    WORLD(read_again, false, TWICE | MODEL_SEEN_READ,
          LED, MAY(ELECTIONS(1), READS(1), PROPOSALS(1))),
    WORLD(read_twice, false, TWICE | MODEL_SEEN_READ, LED, MAY(ELECTIONS(1), READS(2))),
    WORLD(follower_read, false, TWICE | MODEL_SEEN_READ,
          LED, .followers_read = true, .short_net = true,
          MAY(ELECTIONS(1), READS(1), PROPOSALS(1))),
    WORLD(followers_read, true, MODEL_SEEN_COMMIT | MODEL_SEEN_READ,
          LED, .followers_read = true, MAY(READS(2), PROPOSALS(1))),
    WORLD(follower_read_crash, true, MODEL_SEEN_COMMIT | MODEL_SEEN_READ,
          LED, .followers_read = true, .slow = 2, MAY(READS(2), PROPOSALS(1), CRASHES)),
    WORLD(lease_members, true, LEASES | MODEL_SEEN_JOINT,
          LED, PROMISES(2), MAY(ELECTIONS(1), CHANGES(1), TIMES(1))),
    WORLD(loss_of_two, true, MODEL_SEEN_COMMIT,
          LED, .slow = 2, .batch = 1, MAY(ELECTIONS(1), PROPOSALS(2), LOSSES)),
    WORLD(old_terms, true, TWICE | MODEL_SEEN_CUT,
          LED, .batch = 1, MAY(ELECTIONS(3), PROPOSALS(1))),
    WORLD(two_entries, true, TWICE | MODEL_SEEN_CUT, LED, MAY(ELECTIONS(2), PROPOSALS(2))),
    { { .name = NULL }, 0, false },
};
/* clang-format on */

bool worlds_is(const world *w, const char *name)
{
    return strcmp(w->config.name, name) == 0;
}
