/* extension.c - which compression both agree on (RFC 6455, 9.1; RFC 7692, 7.1)
 *
 * An offer is declined, not refused, when it has a parameter that is not known, that
 * is there twice, or that has a value which it cannot have (RFC 7692, 5.1). */
#include "http/websocket/handshake.h"

#include <stdio.h>
#include <string.h>

struct offer {
    bool is_deflate, good;
    bool no_server_takeover, no_client_takeover;
    int server_bits, client_bits; /* 0: not said */
    bool client_bits_said;        /* perhaps without a value */
};

/* 8 ... 15 in decimal, without a leading zero (7.1.2.1); 0: something else. */
static int bits_of(struct http__span value)
{
    if (value.size == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        return value.data[0] - '0';
    if (value.size == 2 && value.data[0] == '1' && value.data[1] >= '0' &&
        value.data[1] <= '5')
        return 10 + value.data[1] - '0';
    return 0;
}

static void take(struct offer *offer, struct http__span name, bool has_value,
                 struct http__span value)
{
    bool once = false;

    if (http__span_is(name, "server_no_context_takeover")) {
        once = !offer->no_server_takeover && !has_value;
        offer->no_server_takeover = true;
    } else if (http__span_is(name, "client_no_context_takeover")) {
        once = !offer->no_client_takeover && !has_value;
        offer->no_client_takeover = true;
    } else if (http__span_is(name, "server_max_window_bits")) {
        once = offer->server_bits == 0 && has_value && bits_of(value) != 0;
        offer->server_bits = bits_of(value);
    } else if (http__span_is(name, "client_max_window_bits")) {
        once = !offer->client_bits_said &&
               (!has_value || bits_of(value) != 0);
        offer->client_bits_said = true;
        offer->client_bits = has_value ? bits_of(value) : 0;
    }
    offer->good = offer->good && once;
}

/* A quoted string here stands for a token, so it has no escapes (9.1). */
static bool read_value(struct http__span *text, struct http__span *value)
{
    if (!http__span_byte(text, '"'))
        return http__span_token(text, value);
    return http__span_token(text, value) && http__span_byte(text, '"');
}

/* One extension with its parameters.  False: against the grammar. */
static bool read_offer(struct http__span *text, struct offer *offer)
{
    struct http__span name, value = { NULL, 0 };
    bool has_value;

    *offer = (struct offer){ .good = true };
    http__span_blanks(text);
    if (!http__span_token(text, &name))
        return false;
    offer->is_deflate = http__span_is(name, "permessage-deflate");
    http__span_blanks(text);
    while (http__span_byte(text, ';')) {
        http__span_blanks(text);
        if (!http__span_token(text, &name))
            return false;
        http__span_blanks(text);
        has_value = http__span_byte(text, '=');
        http__span_blanks(text);
        if (has_value && !read_value(text, &value))
            return false;
        take(offer, name, has_value, value);
        http__span_blanks(text);
    }
    return true;
}

/* zlib cannot compress with a window of 256 bytes: such an offer is declined. */
static void settle(const struct offer *offer,
                   const struct http_websocket_options *options,
                   struct http__deflate_terms *terms)
{
    int most = options->window_bits != 0 ? options->window_bits : 15;
    int send = offer->server_bits != 0 && offer->server_bits < most
                   ? offer->server_bits
                   : most;
    int receive = offer->client_bits != 0 && offer->client_bits < most
                      ? offer->client_bits
                      : most;

    if (terms->on || !offer->is_deflate || !offer->good || send < 9)
        return;
    terms->on = true;
    terms->send_bits = (uint8_t)send;
    /* 7.1.2.1: what was asked for has to be said, less may be. */
    terms->say_send_bits = offer->server_bits != 0 || send < 15;
    terms->send_takeover = (options->flags & HTTP_WEBSOCKET_SEND_TAKEOVER) != 0 &&
                           !offer->no_server_takeover;
    terms->receive_takeover =
        (options->flags & HTTP_WEBSOCKET_RECEIVE_TAKEOVER) != 0 &&
        !offer->no_client_takeover;
    /* 7.1.2.2: only to who has said that it understands. */
    terms->say_receive_bits = offer->client_bits_said && receive < 15;
    terms->receive_bits = terms->say_receive_bits ? (uint8_t)receive : 15;
}

bool http__extension_offer(struct http__span value,
                           const struct http_websocket_options *options,
                           struct http__deflate_terms *terms)
{
    struct offer offer;

    http__span_element(&value);
    do {
        if (!read_offer(&value, &offer))
            return false;
        if (value.size > 0 && *value.data != ',')
            return false;
        if ((options->flags & HTTP_WEBSOCKET_PLAIN) == 0)
            settle(&offer, options, terms);
        http__span_element(&value);
    } while (value.size > 0);
    return true;
}

void http__extension_text(const struct http__deflate_terms *terms, char *text)
{
    char send[32] = "", receive[32] = "";

    if (terms->say_send_bits)
        snprintf(send, sizeof send, "; server_max_window_bits=%d",
                 terms->send_bits);
    if (terms->say_receive_bits)
        snprintf(receive, sizeof receive, "; client_max_window_bits=%d",
                 terms->receive_bits);
    snprintf(text, HTTP__EXTENSION_SIZE, "permessage-deflate%s%s%s%s",
             terms->send_takeover ? "" : "; server_no_context_takeover",
             terms->receive_takeover ? "" : "; client_no_context_takeover",
             send, receive);
}
