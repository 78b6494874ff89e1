/* http.h - HTTP on greenlets: servers, views, streams, WebSockets
 *
 * A connection that is not idle has a greenlet.  Link libvireo-http.
 *
 * Functions return 0, a count, or a negative errno; deadlines are absolute, in
 * ns of hub_now(), HUB_FOREVER is none. */
#ifndef VIREO_HTTP_H
#define VIREO_HTTP_H

#include "http/accesslog.h"
#include "http/app.h"
#include "http/appdata.h"
#include "http/httpserver.h"
#include "http/httpstream.h"
#include "http/master.h"
#include "http/request.h"
#include "http/response.h"
#include "http/serve.h"
#include "http/testclient.h"
#include "http/trust.h"
#include "http/view.h"
#include "http/websocket.h"

#endif
