/* library: the versions of the libraries under net that this process runs with, for `wye doctor`. */
#pragma once

const char *library_event(void); /* "2.1.12-stable" */
const char *library_curl(void);  /* "7.88.1" */
const char *library_tls(void);   /* "OpenSSL/3.0.17" */
