/* cmd_top.c - `vireo top` */
#include "monkeypatch/cmd.h"
int cmd_top(int argc, char **argv) { (void)argc; (void)argv; return 0; }
