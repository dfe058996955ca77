// holdfast-micro: the pieces of the hot path one by one, with Google Benchmark.
#include "bench/micro/micro.h"
#include <benchmark/benchmark.h>

static benchmark::State &of(hf_micro *state)
{
    return *reinterpret_cast<benchmark::State *>(state);
}

void hf_micro_register(const char *name, hf_micro_run *run, const int64_t *args)
{
    bool has = args != nullptr && *args >= 0;
    auto *made = benchmark::RegisterBenchmark(name, [run, has](benchmark::State &state) {
        run(reinterpret_cast<hf_micro *>(&state), has ? state.range(0) : 0);
    });
    for (; has && *args >= 0; args++) {
        made->Arg(*args);
    }
}

bool hf_micro_batch(hf_micro *state, int64_t count)
{
    return of(state).KeepRunningBatch(count);
}

void hf_micro_pause(hf_micro *state)
{
    of(state).PauseTiming();
}

void hf_micro_resume(hf_micro *state)
{
    of(state).ResumeTiming();
}

void hf_micro_bytes(hf_micro *state, int64_t bytes)
{
    of(state).SetBytesProcessed(bytes);
}

void hf_micro_use(const void *value)
{
    benchmark::DoNotOptimize(value);
    benchmark::ClobberMemory();
}

int main(int argc, char **argv)
{
    hf_micro_base();
    hf_micro_table();
    hf_micro_transactions();
    hf_micro_log();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
