/* init: writes a new project. Its files lie in cmd/init/ and are compiled in. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"

static const unsigned char WYE_LUA[] = {
#include "init/wye.lua.inc"
};
static const unsigned char ROUTE_LUA[] = {
#include "init/route.lua.inc"
};
static const unsigned char GITIGNORE[] = {
#include "init/gitignore.inc"
};

static const struct {
    const char *name;
    const unsigned char *bytes;
    size_t len;
} FILES[] = {
    {"wye.lua", WYE_LUA, sizeof WYE_LUA},
    {"route.lua", ROUTE_LUA, sizeof ROUTE_LUA},
    {".gitignore", GITIGNORE, sizeof GITIGNORE},
};
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };

/* A folder that somebody has put anything into is theirs. */
static int check_empty(const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return err_set(err, ERR_SYSTEM, "%s: %s", dir, strerror(errno));
    int found = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        found += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return found ? err_set(err, ERR_SYSTEM, "%s is not empty; nothing was written", dir) : 0;
}

static int make_folder(const char *dir, struct err *err)
{
    if (mkdir(dir, 0777) == 0)
        return 0;
    if (errno != EEXIST)
        return err_set(err, ERR_SYSTEM, "cannot make %s: %s", dir, strerror(errno));
    return check_empty(dir, err);
}

static int write_file(const char *dir, int i, struct err *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", dir, FILES[i].name) >= (int)sizeof path)
        return err_set(err, ERR_SYSTEM, "%.80s…: the name is too long", dir);
    FILE *f = fopen(path, "wxe");
    bool failed = f == NULL || fwrite(FILES[i].bytes, 1, FILES[i].len, f) != FILES[i].len;
    int reason = errno;
    if (f && fclose(f) != 0) {
        failed = true;
        reason = errno;
    }
    return failed ? err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(reason)) : 0;
}

/* As this program was called: a fresh build is not on the PATH. */
static void print_next_steps(const char *dir)
{
    const char *wye = program_invocation_name;
    printf("A new project lies in %s: wye.lua names providers and models, route.lua decides.\n\n",
           dir);
    printf("Serve it, with every model played by the simulator:\n  %s serve %s --demo\n", wye, dir);
    printf("Ask it:\n  curl http://127.0.0.1:8080/v1/chat/completions "
           "-d '{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n");
    printf("See why:\n  %s why\n", wye);
    printf("Edit %s/route.lua, then:\n  %s reload\n", dir, wye);
    printf("For real models:\n  OPENAI_API_KEY=... %s serve %s\n", wye, dir);
}

static void print_json(const char *dir)
{
    struct buf out = BUF(64 * 1024);
    buf_puts(&out, "{\"ok\":true,\"dir\":");
    json_quote(&out, str_of(dir));
    buf_puts(&out, ",\"files\":[");
    for (int i = 0; i < FILE_COUNT; i++)
        buf_printf(&out, "%s\"%s\"", i ? "," : "", FILES[i].name);
    printf("%s]}\n", out.p);
    buf_clear(&out);
}

int cmd_init(struct options *o)
{
    const char *dir = o->args[0];
    struct err err;
    int result = make_folder(dir, &err);
    for (int i = 0; i < FILE_COUNT && result == 0; i++)
        result = write_file(dir, i, &err);
    if (result < 0)
        return complain_of(o, &err);
    if (o->json)
        print_json(dir);
    else
        print_next_steps(dir);
    return EXIT_OK;
}
