/* A packet of node.h in the bytes of txn/raft/packet.h, and back. */
#ifndef HF_TESTS_RAFT_CARRY_H
#define HF_TESTS_RAFT_CARRY_H
#include "tests/unit/raft/node.h"

/* Asserts that what arrives is what was sent. */
void carry(const node_packet *packet);

#endif
