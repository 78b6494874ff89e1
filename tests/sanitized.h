/* sanitized.h - whether a test is built with a sanitizer, by gcc or clang */
#ifndef SANITIZED_H
#define SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED_ADDRESS true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED_ADDRESS true
#endif
#endif
#ifndef SANITIZED_ADDRESS
#define SANITIZED_ADDRESS false
#endif

#if defined(__SANITIZE_THREAD__)
#define SANITIZED_THREAD true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREAD true
#endif
#endif
#ifndef SANITIZED_THREAD
#define SANITIZED_THREAD false
#endif

#endif
