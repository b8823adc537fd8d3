/* version: what `wye --version` and the Server header say. */
#pragma once

#define WYE_VERSION "0.1.0"
