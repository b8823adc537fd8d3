/*
 * near: finds what somebody meant to type, for "did you mean".
 *
 * Names are compared by optimal string alignment (insert, delete, replace, swap of neighbours; Boytsov 2011, "Indexing methods for approximate dictionary
 * searching"), case ignored, and a third of the length may differ.
 */
#pragma once

/* The nearest of `count` names; NULL when none is near. Ties go to the first. */
const char *near_name(const char *wrong, const char *const *names, int count);

/* How many edits lie between the two, case ignored; only the first 64 bytes of each count. */
int near_distance(const char *a, const char *b);

/* How many edits still count as near to this name. */
int near_reach(const char *wrong);
