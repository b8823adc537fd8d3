#include "base/near.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum { LONGEST = 64 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int folded(char c)
{
    return tolower((unsigned char)c);
}

int near_distance(const char *a, const char *b)
{
    int rows = (int)strnlen(a, LONGEST), columns = (int)strnlen(b, LONGEST);
    int table[LONGEST + 1][LONGEST + 1];
    for (int j = 0; j <= columns; j++)
        table[0][j] = j;
    for (int i = 1; i <= rows; i++) {
        table[i][0] = i;
        for (int j = 1; j <= columns; j++) {
            int x = folded(a[i - 1]), y = folded(b[j - 1]);
            int best = least(table[i - 1][j], table[i][j - 1]) + 1;
            best = least(best, table[i - 1][j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2]))
                best = least(best, table[i - 2][j - 2] + 1);
            table[i][j] = best;
        }
    }
    return table[rows][columns];
}

int near_reach(const char *wrong)
{
    size_t len = strnlen(wrong, LONGEST);
    return len < 3 ? 1 : (int)(len + 2) / 3;
}

const char *near_name(const char *wrong, const char *const *names, int count)
{
    const char *best = NULL;
    int best_distance = near_reach(wrong) + 1;
    for (int i = 0; i < count; i++) {
        int distance = near_distance(wrong, names[i]);
        if (distance < best_distance && distance < (int)strlen(names[i])) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
