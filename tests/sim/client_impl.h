/* What the files of the simulated client share. */
#ifndef HF_TESTS_SIM_CLIENT_IMPL_H
#define HF_TESTS_SIM_CLIENT_IMPL_H
#include "tests/sim/client.h"

/* client_local.c: the batch in `out` as binary requests; lent. */
hf_bytes hf_client__frames(hf_client *client);
/* Takes bytes of replies; true: all of the batch are there. */
bool hf_client__unframe(hf_client *client, hf_bytes data);
/* The replies in the order of the batch, as RESP; lent. */
hf_bytes hf_client__answers(hf_client *client);

#endif
