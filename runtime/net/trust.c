#include "net/trust.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static const char *system_bundle(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    return info->cainfo ? info->cainfo : "/etc/ssl/certs/ca-certificates.crt";
}

static bool is_current(const struct trust *t, const struct stat *file)
{
    return t->store && t->inode == file->st_ino && t->size == file->st_size &&
           t->changed.tv_sec == file->st_mtim.tv_sec && t->changed.tv_nsec == file->st_mtim.tv_nsec;
}

int trust_load(struct trust *t, const char *ca_file, struct err *err)
{
    struct stat file;
    const char *path = ca_file ? ca_file : system_bundle();
    if (stat(path, &file) < 0)
        return err_set(err, ERR_CONNECT, "no certificates of authorities: %s: %s", path,
                       strerror(errno));
    if (is_current(t, &file))
        return 0;
    X509_STORE *store = X509_STORE_new();
    if (store == NULL || X509_STORE_load_file(store, path) != 1) {
        X509_STORE_free(store);
        return err_set(err, ERR_CONNECT,
                       "no certificates of authorities: %s is no readable PEM file", path);
    }
    /* As libcurl does: a trusted intermediate suffices, and servers may send outdated ones beside. */
    X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    trust_clear(t);
    *t = (struct trust){store, file.st_mtim, file.st_size, file.st_ino};
    return 0;
}

void trust_clear(struct trust *t)
{
    X509_STORE_free(t->store);
    *t = (struct trust){0};
}
