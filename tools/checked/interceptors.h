/* Included first in every checked source by GCC, which leaves what touches memory in bulk to the library: these
   go to the hooks of runtime/race, not to libc. */
#ifndef REPRISE_TOOLS_CHECKED_INTERCEPTORS_H
#define REPRISE_TOOLS_CHECKED_INTERCEPTORS_H

#ifdef __cplusplus
extern "C" {
#define REPRISE_CHECKED_NOEXCEPT noexcept
#else
#define REPRISE_CHECKED_NOEXCEPT
#endif

void* memcpy(void* to, const void* from, __SIZE_TYPE__ bytes) REPRISE_CHECKED_NOEXCEPT __asm__("__tsan_memcpy");
void* memmove(void* to, const void* from, __SIZE_TYPE__ bytes) REPRISE_CHECKED_NOEXCEPT __asm__("__tsan_memmove");
void* memset(void* to, int value, __SIZE_TYPE__ bytes) REPRISE_CHECKED_NOEXCEPT __asm__("__tsan_memset");

#ifdef __cplusplus
}
#endif
#undef REPRISE_CHECKED_NOEXCEPT

#endif
