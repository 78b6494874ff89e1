/* conf_waits_scenes.h - the parts that conf_waits*.c share */
#ifndef CONF_WAITS_SCENES_H
#define CONF_WAITS_SCENES_H

#include "conf_waits.h"

/* A stream on which nothing has come; release writes a byte. */
void conf_scene_empty(struct conf_scene *scene, enum conf_stream kind);
void conf_scene_put(struct conf_scene *scene);
/* A stream that is full, ends[0] being the writer; release drains it until the
 * scene is closed. */
void conf_scene_full(struct conf_scene *scene, enum conf_stream kind);
void conf_scene_drain(struct conf_scene *scene);
void conf_scene_close(struct conf_scene *scene);

/* A call that is restarted, in a scene of two fds. */
#define WAIT(what, open, call, release) \
    { what, true, open, call, release, conf_scene_close, NULL }
#define WAIT_NEVER(what, open, call, release) \
    { what, false, open, call, release, conf_scene_close, NULL }

/* Each ends with one that has no name. */
extern const struct conf_wait conf_waits_socket[], conf_waits_file[],
    conf_waits_poll[], conf_waits_ipc[];

#endif
