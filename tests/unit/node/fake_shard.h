/* A shard that does what a test of the node wants: it keeps nothing and answers nobody. */
#ifndef HF_TEST_NODE_FAKE_SHARD_H
#define HF_TEST_NODE_FAKE_SHARD_H

typedef enum fake_shard {
    FAKE_WORKS,       /* ready after a few turns, stopped when told to */
    FAKE_NEVER_STOPS, /* core 1 */
    FAKE_NO_ROOM,     /* core 1 cannot be opened */
    FAKE_DIES,        /* core 1 ends the node once all are ready */
    FAKE_HANGS,       /* core 1 does not come back from a turn, once it is ready */
    FAKE_ASKS,        /* core 1 asks for the node's stop */
} fake_shard;

extern fake_shard fake_shard_does;

#endif
