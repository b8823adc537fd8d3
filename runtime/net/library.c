#include "net/library.h"

#include <curl/curl.h>
#include <event2/event.h>

const char *library_event(void)
{
    return event_get_version();
}

const char *library_curl(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

const char *library_tls(void)
{
    const char *version = curl_version_info(CURLVERSION_NOW)->ssl_version;
    return version ? version : "none";
}
