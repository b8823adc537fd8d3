/*
 * log: one line to standard error for the person who runs wye. Decisions go to the trace, not here.
 *
 * "wye: worker 1: warn: text" with colour on a terminal only (and not under NO_COLOR).
 */
#pragma once

enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };

/* Who speaks ("master", "worker 1", "admin", or NULL); kept by pointer. */
void log_init(const char *role, enum log_level least);

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
