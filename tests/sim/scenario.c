#include "tests/sim/scenario.h"

#include <string.h>

const hf_scenario hf_scenarios[] = {
    { .name = "register",
      .what = "reads, writes, conditions on few keys: linearizable",
      .mix = { { &hf_workload_register, "", 60 }, { &hf_workload_operator, "", 1 } } },
    { .name = "append",
      .what = "transactions on lists over all shards: strictly serializable",
      .mix = { { &hf_workload_append, "", 60 }, { &hf_workload_operator, "", 1 } } },
    { .name = "bank",
      .what = "transfers in every form: money is conserved, each one happens once",
      .mix = { { &hf_workload_bank, "", 60 }, { &hf_workload_operator, "", 1 } } },
    { .name = "escrow",
      .what = "hot quantities, bounded from both sides",
      .mix = { { &hf_workload_escrow, "", 60 },
               { &hf_workload_operator, "", 1 },
               { &hf_workload_escrow, "wide", 30 } } },
    { .name = "expiry",
      .what = "keys with a time to live while the clock steps",
      .mix = { { &hf_workload_expiry, "", 40 },
               { &hf_workload_operator, "", 1 },
               { &hf_workload_pairs, "", 40 } } },
    { .name = "snapshot",
      .what = "reads at older timestamps and with bounded staleness: conserved at each",
      .mix = { { &hf_workload_bank, "snapshot", 60 }, { &hf_workload_operator, "", 1 } } },
    { .name = "interactive",
      .what = "HF.BEGIN with savepoints, beside everything else",
      .mix = { { &hf_workload_append, "interactive", 60 }, { &hf_workload_operator, "", 1 } } },
    { .name = "ranges",
      .what = "ranges split and move under transfers and lists",
      .mix = { { &hf_workload_bank, "", 30 },
               { &hf_workload_append, "scans", 20 },
               { &hf_workload_operator, "ranges", 6 } },
      .moves = true },
    { .name = "pipeline",
      .what = "many requests at once on one connection while ranges move: done in their order",
      .mix = { { &hf_workload_pipeline, "", 50 }, { &hf_workload_operator, "ranges", 10 } },
      .moves = true,
      .crowded = true },
    { .name = "carry",
      .what = "values that go from key to key over shards: there once, always; leases",
      .mix = { { &hf_workload_carry, "", 50 },
               { &hf_workload_lease, "", 25 },
               { &hf_workload_operator, "ranges", 2 } },
      .moves = true },
    { .name = "changes",
      .what = "readers of HF.CHANGES: each transaction once, whole, in order",
      .mix = { { &hf_workload_changes, "", 60 }, { &hf_workload_operator, "ranges", 2 } },
      .moves = true },
    { .name = "admission",
      .what = "little memory, a disk that fills up, large values: refused clearly, nothing lost",
      .mix = { { &hf_workload_register, "large", 30 },
               { &hf_workload_bank, "", 30 },
               { &hf_workload_operator, "", 1 } },
      .small = true },
    { .name = "torture",
      .what = "all of it at once",
      .mix = { { &hf_workload_register, "", 10 },
               { &hf_workload_append, "", 10 },
               { &hf_workload_bank, "", 10 },
               { &hf_workload_escrow, "", 10 },
               { &hf_workload_expiry, "", 10 },
               { &hf_workload_operator, "ranges", 3 },
               { &hf_workload_pairs, "", 10 },
               { &hf_workload_carry, "", 10 },
               { &hf_workload_lease, "", 5 },
               { &hf_workload_changes, "", 5 } },
      .moves = true },
};
const uint32_t hf_scenario_count = sizeof hf_scenarios / sizeof hf_scenarios[0];

const hf_scenario *hf_scenario_find(const char *name)
{
    for (uint32_t i = 0; i < hf_scenario_count; i++) {
        if (strcmp(hf_scenarios[i].name, name) == 0) {
            return &hf_scenarios[i];
        }
    }
    return NULL;
}
