/* multipart/form-data: files lie in the body, one behind the other, and no
 * delimiter in them; fields are texts.  The boundary is "B", or what the first
 * byte says. */
#include "fuzz.h"

#include "http/app/app_impl.h"

static void look(const struct http__call *call, const char *body, size_t size,
                 const char *delimiter)
{
    const char *before = body;

    fuzz_check(call->form.count + call->file_count <= HTTP__MOST);
    for (size_t i = 0; i < call->form.count; i++)
        fuzz_check(strlen(call->form.list[i].name) < size &&
                   strlen(call->form.list[i].value) < size);
    for (size_t i = 0; i < call->file_count; i++) {
        const struct http_form_file *file = &call->files[i];

        fuzz_check(file->data >= before &&
                   file->data + file->size <= body + size);
        fuzz_check(memmem(file->data, file->size, delimiter,
                          strlen(delimiter)) == NULL);
        fuzz_check(strlen(file->field) < size && strlen(file->name) < size &&
                   strlen(file->content_type) < size + 32);
        before = file->data + file->size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {
        "multipart/form-data; boundary=B",
        "multipart/form-data; a=\"x;y\"; boundary=\"B\""};
    static const char *const delimiters[] = {"\r\n--B", "\r\n--B"};
    struct http__work *work = calloc(1, sizeof *work);
    struct http__call call = {.request = &work->request};
    char *type, *body;
    int rc;

    work->request.work = work;
    http__arena_init(&work->arena, work->arena_room, sizeof work->arena_room);
    if (size == 0)
        goto out;
    body = fuzz_copy((const char *)data + 1, size - 1);
    rc = http__multipart(&call, types[data[0] & 1], body, size - 1);
    fuzz_check(rc <= 0);
    if (rc == 0)
        look(&call, body, size - 1, delimiters[data[0] & 1]);
    free(body);
    if (data[0] > 127) { /* any type, of no body */
        type = malloc(size);
        memcpy(type, data + 1, size - 1);
        type[size - 1] = '\0';
        http__multipart(&call, type, "", 0);
        free(type);
    }
out:
    http__arena_free(&work->arena);
    free(work);
    return 0;
}
