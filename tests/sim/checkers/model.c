#include "tests/sim/checkers/model.h"

#include "engine/base/assert.h"

#include <stdlib.h>

void hf_check_model_open(hf_check_model *model)
{
    *model = (hf_check_model){ 0 };
}

void hf_check_model_close(hf_check_model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        free(model->cells[i].list);
    }
    free(model->cells);
    free(model->registers);
    hf_check_map_close(&model->map);
    *model = (hf_check_model){ 0 };
}

hf_check_model_cell *hf_check_model_cell_of(hf_check_model *model, hf_check_model_space space,
                                            int64_t key)
{
    uint32_t at = hf_check_map_add(&model->map, key, (int64_t)space, model->count);
    if (at == model->count) {
        HF_PRE(model->registers == NULL || space != HF_CHECK_MODEL_REGISTER);
        model->cells =
            hf_check_grow(model->cells, model->count, &model->capacity, sizeof *model->cells);
        model->cells[model->count++] = (hf_check_model_cell){
            .space = space, .key = key, .value = space == HF_CHECK_MODEL_REGISTER ? HF_NIL : 0
        };
    }
    return &model->cells[at];
}

typedef struct place {
    int64_t key;
    uint32_t cell;
} place;

static int place_compare(const void *left, const void *right)
{
    const place *a = left;
    const place *b = right;
    return a->key < b->key ? -1 : a->key > b->key;
}

void hf_check_model_seal(hf_check_model *model)
{
    place *places = hf_check_alloc(model->count, sizeof *places);
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->cells[i].space == HF_CHECK_MODEL_REGISTER) {
            places[model->register_count++] = (place){ model->cells[i].key, i };
        }
    }
    qsort(places, model->register_count, sizeof *places, place_compare);
    model->registers = hf_check_alloc(model->register_count, sizeof *model->registers);
    for (uint32_t i = 0; i < model->register_count; i++) {
        model->registers[i] = places[i].cell;
    }
    free(places);
}

uint32_t hf_check_model_register_from(const hf_check_model *model, int64_t first)
{
    uint32_t low = 0;
    uint32_t high = model->register_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (model->cells[model->registers[middle]].key < first) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
