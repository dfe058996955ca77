/* serial_db: a database that cannot be wrong, its clients, and one fault on request.
 *
 * Clients overlap at random, but each transaction runs alone, at one moment between its invocation
 * and its return, on plain arrays: so its histories are strictly serializable by construction. Some
 * outcomes stay unknown, some transactions are refused. A fault strikes once, at a random
 * transaction that it applies to. A last quiet transaction reads everything.
 */
#ifndef HF_TESTS_SERIAL_DB_H
#define HF_TESTS_SERIAL_DB_H
#include "tests/sim/checkers/history.h"

typedef enum serial_work {
    SERIAL_LISTS,     /* up to 4 appends and reads over a few lists that change with time */
    SERIAL_REGISTERS, /* single writes, reads, deletes and cas; scans */
    SERIAL_BANK,      /* transfers; whole reads with the ledger */
    SERIAL_COUNTERS,  /* additions to bounded quantities; counts */
} serial_work;

/* name, work, what it does */
/* clang-format off */
#define SERIAL_FAULTS(X)                                                                          \
    X(NONE,             LISTS,     "nothing")                                                     \
    X(STALE_LIST,       LISTS,     "a read-only transaction sees an old state")                   \
    X(SKEWED_LIST,      LISTS,     "a transaction's reads see two states")                        \
    X(OLD_READS,        LISTS,     "a transaction reads an old state and writes to the new one")  \
    X(LOST_APPEND,      LISTS,     "an acknowledged transaction is not applied")                  \
    X(TORN_APPEND,      LISTS,     "only the first append of several is applied")                 \
    X(DOUBLE_APPEND,    LISTS,     "a transaction is applied twice")                              \
    X(REFUSED_APPEND,   LISTS,     "a refused transaction is applied")                            \
    X(STALE_REGISTER,   REGISTERS, "a read sees an old value")                                    \
    X(LOST_REGISTER,    REGISTERS, "an acknowledged change is not applied")                       \
    X(REFUSED_REGISTER, REGISTERS, "a refused change is applied")                                 \
    X(BLIND_CAS,        REGISTERS, "a cas succeeds although another value is there")              \
    X(LOST_TRANSFER,    BANK,      "an acknowledged transfer is not applied")                     \
    X(HALF_TRANSFER,    BANK,      "only the debit of a transfer is applied")                     \
    X(DOUBLE_TRANSFER,  BANK,      "a transfer is applied twice")                                 \
    X(REFUSED_TRANSFER, BANK,      "a refused transfer is applied")                               \
    X(OVERDRAFT,        BANK,      "a transfer is applied below the floor")                       \
    X(LOST_ADD,         COUNTERS,  "an acknowledged addition is not applied")                     \
    X(DOUBLE_ADD,       COUNTERS,  "an addition is applied twice")                                \
    X(REFUSED_ADD,      COUNTERS,  "a refused addition is applied")                               \
    X(UNBOUNDED_ADD,    COUNTERS,  "an addition crosses a bound")                                 \
    X(WRONG_LIMIT,      COUNTERS,  "an addition well inside the bounds is refused")
/* clang-format on */

typedef enum serial_fault {
#define X(name, work, what) SERIAL_##name,
    SERIAL_FAULTS(X)
#undef X
        SERIAL_FAULT_COUNT
} serial_fault;

const char *serial_fault_name(serial_fault fault);
serial_work serial_fault_work(serial_fault fault);

/* Records `txns` transactions of `clients` clients (and the last reader). Answers whether the fault
 * struck. */
bool serial_run(uint64_t seed, serial_work work, uint32_t clients, uint32_t txns,
                serial_fault fault, hf_history *history);

/* What an outcome query tells afterwards: which of the unknown transactions took effect, and when.
 */
void serial_resolve(hf_history *history);

#endif
