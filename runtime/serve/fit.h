/*
 * fit: whether a model can serve a request, by what wye.lua says of it: context, tools, vision, structured output. Unknown is never a reason.
 *
 * What counts is what would be sent: the client's body, under what model:with and an ask change of it.
 */
#pragma once

struct ask_options;
struct model;
struct request;

/* Why the model cannot ("no tools"), or NULL. `ask`: what is asked instead of the client's request; NULL for serving that. In the arena. */
const char *fit_problem(const struct request *rq, const struct model *model, const struct ask_options *ask);
