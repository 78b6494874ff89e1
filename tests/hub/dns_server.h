/* dns_server.h - a DNS server for tests, on loopback, by UDP and TCP */
#ifndef TESTS_DNS_SERVER_H
#define TESTS_DNS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

/* host.test        192.0.2.1 and 2001:db8::1; 192.0.2.1 leads back to it
 * alias.test       another name of host.test
 * many.test        60 addresses: too many for UDP
 * slow.test        192.0.2.9, after 300 ms
 * silent.test      no answer at all
 * empty.test       there is such a name, but no address
 * everything else  there is no such name
 *
 * A child process; *port is 0 for one that the kernel chooses.  Returns its
 * process id, or -errno. */
pid_t dns_server_start(uint16_t *port);
void dns_server_stop(pid_t pid);

#endif
