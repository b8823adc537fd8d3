/* doctor_machine: what the machine gives: room on the disks and rights on the folders, descriptors, and libraries without known holes. */
#include "cmd/doctor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "net/library.h"
#include "trace/segment.h"
#include "vm/generation.h"

enum { TRACE_MIB = 1024, STATE_MIB = 64, LEAST_MIB = 32, FEW_DESCRIPTORS = 4096, PER_REQUEST = 2, WORD = 128 };

/* ---- disks ---- */

/* The folder, or the nearest above it that is there. */
static void existing(const char *dir, char *out, size_t size)
{
    snprintf(out, size, "%s", dir);
    while (access(out, F_OK) < 0) {
        char *slash = strrchr(out, '/');
        if (slash == NULL || slash == out) {
            snprintf(out, size, "%s", slash ? "/" : ".");
            return;
        }
        *slash = '\0';
    }
}

static unsigned long long used_mib(const char *dir)
{
    struct segment_name *names = NULL;
    unsigned long long bytes = 0;
    int count = segment_list(dir, -1, &names, NULL);
    for (int i = 0; i < count; i++)
        bytes += names[i].disk_bytes;
    free(names);
    return bytes >> 20;
}

static void look_at_folder(struct doctor *d, const char *what, const char *dir, unsigned long long wants_mib)
{
    char there[PATH_MAX];
    struct statvfs disk;
    struct stat st;
    existing(dir, there, sizeof there);
    bool is_known = statvfs(there, &disk) == 0 && stat(there, &st) == 0;
    unsigned long long free_mib = is_known ? (unsigned long long)disk.f_bavail * disk.f_frsize >> 20 : 0;
    const char *option = arena_printf(&d->arena, "give --%s a folder that the server's user may write", what);
    if (!is_known || access(there, W_OK | X_OK) < 0)
        doctor_say(d, DOCTOR_FAIL, "disk", option, "%s: cannot write in %s: %s", what, there, strerror(errno));
    else if (free_mib < LEAST_MIB)
        doctor_say(d, DOCTOR_FAIL, "disk", "free some; without room decisions are served, but not recorded", "%s: the disk of %s has %llu MiB left", what, there, free_mib);
    else if (free_mib < wants_mib)
        doctor_say(d, DOCTOR_WARN, "disk", "free some", "%s: %llu MiB left for %s, which grows by up to %llu more", what, free_mib, dir, wants_mib);
    else if (strcmp(there, dir) == 0 && st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
        doctor_say(d, DOCTOR_WARN, "disk", arena_printf(&d->arena, "chmod o-w %s", dir), "%s: every user of this machine may write in %s", what, dir);
    else
        doctor_say(d, DOCTOR_OK, "disk", NULL, "%s: %s, %llu MiB free", what, dir, free_mib);
}

void doctor_disk(struct doctor *d)
{
    unsigned long long used = used_mib(d->trace);
    look_at_folder(d, "trace", d->trace, used < TRACE_MIB ? TRACE_MIB - used : 0);
    look_at_folder(d, "state", d->state, STATE_MIB);
}

/* ---- descriptors ---- */

void doctor_descriptors(struct doctor *d)
{
    static const char ADVICE[] = "`ulimit -n 65536` before it starts, or LimitNOFILE= in the systemd unit";
    struct rlimit limit;
    unsigned wants = d->generation ? d->generation->config->limits.concurrent * PER_REQUEST : FEW_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    unsigned long long most = limit.rlim_max;
    if (most < wants || most < FEW_DESCRIPTORS)
        doctor_say(d, DOCTOR_WARN, "descriptors", ADVICE, "a process may open %llu files; limits.concurrent allows requests that take %u", most, wants);
    else
        doctor_say(d, DOCTOR_OK, "descriptors", NULL, "a process may open %llu files", most);
}

/* ---- libraries ---- */

static bool is_version(const char *text)
{
    return *text && text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~:-")] == '\0';
}

/* The version of Debian's package; false where there is no dpkg, or the package is not its. */
static bool packaged(const char *package, char version[WORD])
{
    char command[256];
    snprintf(command, sizeof command, "dpkg-query -W -f='${Version}' %s 2>/dev/null", package);
    FILE *f = popen(command, "re");
    if (f == NULL)
        return false;
    bool has_read = fgets(version, WORD, f) != NULL;
    bool is_there = pclose(f) == 0 && has_read;
    version[is_there ? strcspn(version, "\n") : 0] = '\0';
    return is_there && is_version(version);
}

static bool is_older(const char *version, const char *than)
{
    char command[2 * WORD + 64];
    snprintf(command, sizeof command, "dpkg --compare-versions '%s' lt '%s'", version, than);
    return system(command) == 0;
}

static void look_at_event(struct doctor *d)
{
    static const char GOOD[] = "2.1.12-stable-8+deb12u1";
    char version[WORD];
    if (!packaged("libevent-core-2.1-7", version))
        doctor_say(d, DOCTOR_WARN, "libraries", "it needs the fixes of Debian's 2.1.12-stable-8+deb12u1", "libevent %s: whether it has its security fixes cannot be told here", library_event());
    else if (is_older(version, GOOD))
        doctor_say(d, DOCTOR_FAIL, "libraries", "apt-get install --only-upgrade libevent-core-2.1-7, then restart", "libevent %s has 8 known holes, closed in %s", version, GOOD);
    else
        doctor_say(d, DOCTOR_OK, "libraries", NULL, "libevent %s", version);
}

void doctor_libraries(struct doctor *d)
{
    look_at_event(d);
    doctor_say(d, DOCTOR_OK, "libraries", NULL, "libcurl %s, %s", library_curl(), library_tls());
}
