/* blog.h - users, posts and comments: an application that uses what there is
 *
 *   main.c      options, rules, what is opened and closed, errors
 *   schema.c    the tables
 *   users.c     who is who: registration, login, sessions
 *   posts.c     posts and comments as JSON, with a cache
 *   pages.c     the same for people: HTML and forms
 *   feed.c      what happens, as it happens: server-sent events
 *   home.c      three servers asked at once
 *   mailer.c    a program of its own: does what was left for later
 *
 * What is kept lies in PostgreSQL; Redis has what may be lost (the cache, the feed of
 * events) and tasks, for which it has to be durable (taskqueue.h).  So any number of
 * these may run beside each other, on one machine or many, and end at any time. */
#ifndef BLOG_H
#define BLOG_H

#include "pools.h"
#include "taskqueue.h"

#include <vireo/http.h>

#include <jansson.h>

/* Of this process, from before_serving to after_serving. */
extern struct hub_connpool *blog_database, *blog_redis;
extern struct taskqueue blog_queue;

/* ---- schema.c ---- */

/* Make the tables, unless somebody has.  Returns as pq_ask(). */
int blog_make_tables(void);

/* ---- users.c ---- */

/* The id of who is logged in, as text; NULL: nobody.  Borrowed from the request. */
const char *blog_user(struct http_request *request);
/* A view for those who are logged in: others get 401, or the form to do so. */
struct http_view blog_login_required(struct http_app *app,
                                     struct http_view view);
void blog_add_users(struct http_app *app);

/* ---- posts.c ---- */

/* Newest first.  Ownership: *posts is given.  Returns as pq_ask(). */
int blog_list_posts(json_t **posts);
/* With its comments.  Ownership: *post is given.  Returns 0, 404, as pq_ask(). */
int blog_read_post(const char *id, json_t **post);
/* Add one; the same key (NULL: none) of the same author is the same post.
 * Returns 0 with its id, as pq_ask(). */
int blog_add_post(const char *author, const char *title, const char *body,
                  const char *key, char id[32]);
/* So, too; and whoever wrote the post gets a mail, later.  Returns 0, 404, as
 * pq_ask() and taskqueue_add(): it may be there then, and is not added again with the
 * same key. */
int blog_add_comment(const char *post, const char *author, const char *body,
                     const char *key, char id[32]);
void blog_add_posts(struct http_app *app);

/* ---- pages.c, feed.c, home.c ---- */

void blog_add_pages(struct http_app *app);

void blog_add_feed(struct http_app *app);
/* Tell all readers, on all hosts.  It is not an error if nobody can be told. */
void blog_tell(struct http_app *app, const char *what, const char *id,
               const char *title);

void blog_add_home(struct http_app *app);

#endif
