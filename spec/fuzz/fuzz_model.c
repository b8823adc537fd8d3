/*
 * Any bytes as a model file whose magic and checksum hold: it is refused, or it reads any text. A checksum finds accidents, not lies, so
 * lengths, offsets and numbers must be doubted behind it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "classify/classifier.h"
#include "classify/modelfile.h"
#include "classify/similar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_sane(struct likeness like)
{
    require(like.label.p != NULL);
    require(like.p >= 0 && like.p <= 1 && like.known >= 0 && like.known <= 1);
}

static void read_classifier(struct str bytes, struct str text)
{
    struct err err;
    struct classifier *c = classifier_open(bytes, &err);
    if (c == NULL)
        return;
    struct verdict v = classifier_read(c, text);
    require_sane((struct likeness){v.label, v.p, v.known});
    classifier_close(c);
}

static void read_similar(struct str bytes, struct str text)
{
    struct neighbour near[SIMILAR_NEAREST];
    struct err err;
    struct similar *s = similar_open(bytes, &err);
    if (s == NULL)
        return;
    require_sane(similar_read(s, text));
    for (int i = similar_nearest(s, text, SIMILAR_NEAREST, near); i > 0; i--)
        require(near[i - 1].text.p >= bytes.p && near[i - 1].text.p + near[i - 1].text.len <= bytes.p + bytes.len);
    similar_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 16)
        return 0;
    char *copy = malloc(size);
    require(copy != NULL);
    memcpy(copy, data, size);
    memcpy(copy, "wyemod1\n", 8);
    uint32_t sum = htole32(crc32c(0, copy + 16, size - 16));
    memcpy(copy + 12, &sum, 4);
    struct str bytes = str_n(copy, size), text = str_of("cook soup, please: the paste of 12 tomatoes");
    read_classifier(bytes, text);
    read_similar(bytes, text);
    free(copy);
    return 0;
}
