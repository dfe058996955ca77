/* Who has a vote, and when they are enough. In a joint configuration both majorities are needed for
 * everything: votes, commits, reads, leases. */
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

#include <string.h>

bool hf_raft_config_joint(const hf_raft_config *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if ((config->role[i] & HF_RAFT_OLD) != 0) {
            return true;
        }
    }
    return false;
}

uint32_t hf_raft_config_find(const hf_raft_config *config, uint32_t node)
{
    uint32_t i = 0;
    while (i < config->count && config->node[i] != node) {
        i++;
    }
    return i;
}

bool hf_raft__is_voter(const hf_raft_config *config, uint32_t node)
{
    uint32_t at = hf_raft_config_find(config, node);
    return at < config->count && (config->role[at] & (HF_RAFT_VOTER | HF_RAFT_OLD)) != 0;
}

/* ---- Quorums ---- */

static bool majority(const hf_raft_config *config, uint8_t role, uint32_t members)
{
    uint32_t voters = 0;
    uint32_t there = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        if ((config->role[i] & role) != 0) {
            voters++;
            there += members >> i & 1;
        }
    }
    return there > voters / 2;
}

bool hf_raft__quorum(const hf_raft_config *config, uint32_t members)
{
    return majority(config, HF_RAFT_VOTER, members) &&
           (!hf_raft_config_joint(config) || majority(config, HF_RAFT_OLD, members));
}

uint64_t hf_raft__quorum_value(const hf_raft_config *config, const uint64_t *values)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        uint32_t reach = 0;
        for (uint32_t k = 0; k < config->count; k++) {
            reach |= (uint32_t)(values[k] >= values[i]) << k;
        }
        if (values[i] > best && hf_raft__quorum(config, reach)) {
            best = values[i];
        }
    }
    return best;
}

/* ---- Changes ---- */

bool hf_raft__possible(const hf_raft_config *config)
{
    uint32_t voters = 0;
    if (config->count > HF_RAFT_MEMBERS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < config->count; i++) {
        uint8_t role = config->role[i];
        bool both = (role & HF_RAFT_VOTER) != 0 && (role & HF_RAFT_LEARNER) != 0;
        if (config->node[i] == 0 || role == 0 || role > (HF_RAFT_OLD | HF_RAFT_LEARNER) || both ||
            hf_raft_config_find(config, config->node[i]) != i) {
            return false;
        }
        voters += (role & HF_RAFT_VOTER) != 0;
    }
    return voters != 0;
}

bool hf_raft__legal(const hf_raft_config *target)
{
    return hf_raft__possible(target) && !hf_raft_config_joint(target);
}

static bool same_voters(const hf_raft_config *a, const hf_raft_config *b)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        if (hf_raft__is_voter(a, a->node[i])) {
            voters++;
            if (!hf_raft__is_voter(b, a->node[i])) {
                return false;
            }
        }
    }
    for (uint32_t i = 0; i < b->count; i++) {
        voters -= hf_raft__is_voter(b, b->node[i]);
    }
    return voters == 0;
}

hf_raft_config hf_raft__joint(const hf_raft_config *from, const hf_raft_config *target)
{
    hf_raft_config joint = *target;
    memset(joint.node + joint.count, 0, sizeof joint.node - joint.count * sizeof joint.node[0]);
    memset(joint.role + joint.count, 0, sizeof joint.role - joint.count);
    joint.pad = 0;
    HF_PRE(!hf_raft_config_joint(from));
    if (same_voters(from, target)) {
        return joint;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        if (from->role[i] != HF_RAFT_VOTER) {
            continue;
        }
        uint32_t at = hf_raft_config_find(&joint, from->node[i]);
        if (at == joint.count) {
            HF_ASSERT(at < HF_RAFT_MEMBERS_MAX);
            joint.node[at] = from->node[i];
            joint.count++;
        }
        joint.role[at] |= HF_RAFT_OLD;
    }
    return joint;
}

hf_raft_config hf_raft__leave(const hf_raft_config *joint)
{
    hf_raft_config left = { .count = 0 };
    for (uint32_t i = 0; i < joint->count; i++) {
        uint8_t role = joint->role[i] & (HF_RAFT_VOTER | HF_RAFT_LEARNER);
        if (role != 0) {
            left.node[left.count] = joint->node[i];
            left.role[left.count++] = role;
        }
    }
    return left;
}

/* In force from where it is appended, committed or not. */
void hf_raft__adopt(hf_raft *r, uint64_t index, const hf_raft_config *config)
{
    r->before = r->config;
    r->before_index = r->config_index;
    r->config = *config;
    r->config_index = index;
    r->cramped = r->cramped || config->count > r->members_max;
    if (r->role == HF_RAFT_LEADER) {
        hf_raft__reset_peers(r, true);
    }
}

/* Of the configurations in a log, only the newest can be uncommitted: no leader appends one before
 * the last is committed. So there is at most one to take back. */
void hf_raft__revert(hf_raft *r, uint64_t from)
{
    if (r->config_index >= from) {
        HF_ASSERT(r->before_index < from);
        r->config = r->before;
        r->config_index = r->before_index;
    }
}
