/* What the store is, as JSON; and the commands that need nothing but the store. */
#include <string.h>

#include "base/mem.h"
#include "node/engine.h"
#include "node/stored.h"

static json_t *text_of(const char *s)
{
    json_t *t = json_string(s);
    return t ? t : json_string("");
}

static json_t *hash_json(const uint8_t hash[PXI_DIGEST])
{
    char text[PXI_CID_TEXT];
    return json_string(pxi_hash_text(hash, text));
}

static json_t *shards_of(struct pxi_store *s, const struct pxi_manifest *m)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < m->count; i++) {
        const struct pxi_manifest_shard *row = &m->shards[i];
        json_t *one =
            json_pack("{s:i, s:s, s:o, s:o, s:I, s:I, s:b}", "no", (int)i, "role",
                      pxi_shard_role_name(row->role), "block",
                      row->role == PXI_SHARD_BLOCK ? json_integer(row->block) : json_null(), "cid",
                      hash_json(row->hash), "bytes", (json_int_t)row->bytes, "tensors",
                      (json_int_t)row->tensors, "here", (int)pxi_store_has(s, row->hash, NULL));
        json_array_append_new(list, one);
    }
    return list;
}

static void set_int(json_t *doc, const char *name, uint64_t v)
{
    json_object_set_new(doc, name, json_integer((json_int_t)v));
}

json_t *pxi_json_model(struct pxi_store *s, const struct pxi_store_model *m, bool shards)
{
    struct pxi_store_state st = pxi_store_state_of(s, m, NULL);
    char signer[PXI_PEER_TEXT];
    json_t *doc = json_object();
    json_object_set_new(doc, "cid", hash_json(m->m.hash));
    json_object_set_new(doc, "name", text_of(m->m.name));
    json_object_set_new(doc, "architecture", text_of(m->m.architecture));
    json_object_set_new(doc, "type", text_of(m->m.type));
    set_int(doc, "blocks", m->m.blocks);
    set_int(doc, "parameters", m->m.parameters);
    set_int(doc, "bytes", m->m.bytes);
    set_int(doc, "bytes_here", st.bytes_here);
    set_int(doc, "shards", st.shards);
    set_int(doc, "shards_here", st.here);
    json_object_set_new(doc, "pinned", json_boolean(m->pinned));
    json_object_set_new(doc, "signer", json_string(pxi_peer_text(&m->m.signer, signer)));
    if (!shards)
        return doc;
    set_int(doc, "embd", m->m.embd);
    set_int(doc, "ffn", m->m.ffn);
    set_int(doc, "heads", m->m.heads);
    set_int(doc, "kv_heads", m->m.kv_heads);
    set_int(doc, "vocab", m->m.vocab);
    set_int(doc, "context", m->m.context);
    json_object_set_new(doc, "tied", json_boolean(m->m.tied));
    json_object_set_new(doc, "shard_list", shards_of(s, &m->m));
    return doc;
}

json_t *pxi_json_store(struct pxi_store *s)
{
    json_t *doc = json_object(), *list = json_array();
    for (uint32_t i = 0; i < s->model_count; i++)
        json_array_append_new(list, pxi_json_model(s, s->models[i], false));
    json_object_set_new(doc, "models", list);
    set_int(doc, "used_bytes", s->used);
    set_int(doc, "quota_bytes", s->quota);
    set_int(doc, "blobs", s->blob_count);
    set_int(doc, "skipped", s->skipped);
    json_object_set_new(doc, "root", text_of(s->files->root));
    return doc;
}

static json_t *removed(struct pxi_store *s, struct pxi_store_model *m, px_err *err,
                       const char **why)
{
    uint64_t used = s->used;
    json_t *cid = hash_json(m->m.hash);
    *err = pxi_store_remove(s, m);
    if (*err == PX_ERR_OK)
        return json_pack("{s:o, s:I}", "cid", cid, "freed_bytes", (json_int_t)(used - s->used));
    json_decref(cid);
    *why = *err == PX_ERR_REFUSED ? "the model is in use" : NULL;
    return NULL;
}

json_t *pxi_store_op(struct pxi_store *s, const char *op, json_t *in, px_err *err, const char **why)
{
    const char *text = json_string_value(json_object_get(in, "cid"));
    struct pxi_store_model *m = NULL;
    *err = PX_ERR_OK;
    *why = NULL;
    if (strcmp(op, "store-list") == 0)
        return pxi_json_store(s);
    *err = text ? pxi_store_find(s, text, &m) : PX_ERR_INVALID;
    if (*err != PX_ERR_OK) {
        *why = !text                  ? "no model given"
               : *err == PX_ERR_LIMIT ? "several models are so called: give the CID"
                                      : "no such model in the store";
        *err = *err == PX_ERR_LIMIT ? PX_ERR_INVALID : *err;
        return NULL;
    }
    if (strcmp(op, "store-show") == 0)
        return pxi_json_model(s, m, true);
    if (strcmp(op, "store-rm") == 0)
        return removed(s, m, err, why);
    *err = pxi_store_pin(s, m, !json_is_true(json_object_get(in, "off")));
    return *err == PX_ERR_OK ? pxi_json_model(s, m, false) : NULL;
}

px_err pxi_push_open(const char *path, px_model **out, px_diag *d)
{
    px_model *m = *out = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    px_err err = strcmp(path, "tiny") == 0 ? px_gguf_parse(pxi_tiny_model(), &m->gguf, d)
                                           : pxi_engine_open_files(m, path, d);
    if (err != PX_ERR_OK) {
        px_model_close(m);
        *out = NULL;
    }
    return err;
}
