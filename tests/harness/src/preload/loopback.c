/* Loaded before a program's own libraries (LD_PRELOAD): a socket that would be bound to all interfaces is bound
   to loopback alone, for RocketMQ's proxy, which has no setting for that. A program loaded so can reach loopback only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int bind(int socket, const struct sockaddr *address, socklen_t length) {
    static int (*next)(int, const struct sockaddr *, socklen_t);
    if (next == NULL) next = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    if (address == NULL || length < sizeof address->sa_family) return next(socket, address, length);
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in changed = *(const struct sockaddr_in *)address;
        if (changed.sin_addr.s_addr == htonl(INADDR_ANY)) changed.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return next(socket, (const struct sockaddr *)&changed, sizeof changed);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 changed = *(const struct sockaddr_in6 *)address;
        /* As an IPv4 address: Java's sockets are of IPv6 and take both. */
        if (IN6_IS_ADDR_UNSPECIFIED(&changed.sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&changed.sin6_addr) && changed.sin6_addr.s6_addr32[3] == 0)) {
            memset(&changed.sin6_addr, 0, 10);
            changed.sin6_addr.s6_addr16[5] = 0xffff;
            changed.sin6_addr.s6_addr32[3] = htonl(INADDR_LOOPBACK);
        }
        return next(socket, (const struct sockaddr *)&changed, sizeof changed);
    }
    return next(socket, address, length);
}
