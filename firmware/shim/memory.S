/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcpy(), memmove() and memset() for Rust and C, on processors of the profile M that load and store a word at any
 * address.
 *
 * Rust brings its own, made for processors that cannot, and the linker takes them for C too. They are three times the
 * code and twice the instructions. A message is copied half a dozen times on its way through TLS and TCP, most often
 * in pieces of 16 bytes. A word at an odd address is one instruction, and a cycle or two more than at an even one.
 *
 * r0 stays, since it is the result. The flags divide what is left after whole pieces of 16 bytes: bits 3, 2, 1 and 0 of
 * the size ask for 8, 4, 2 and 1 bytes, and each LSLS moves one of them to C and the next to N.
 */
#include <zephyr/toolchain.h>
#include <zephyr/linker/sections.h>

	.syntax unified

/* The names that end in a number promise aligned addresses (Run-time ABI for the Arm Architecture, section 4.3.4). */
GTEXT(memcpy)
GTEXT(__aeabi_memcpy)
GTEXT(__aeabi_memcpy4)
GTEXT(__aeabi_memcpy8)
SECTION_SUBSEC_FUNC(TEXT, azure_memcpy, memcpy)
	.thumb_set __aeabi_memcpy, memcpy
	.thumb_set __aeabi_memcpy4, memcpy
	.thumb_set __aeabi_memcpy8, memcpy
	mov ip, r0
	subs r2, #16
	blo 2f
1:
	ldr r3, [r1], #4
	str r3, [ip], #4
	ldr r3, [r1], #4
	str r3, [ip], #4
	ldr r3, [r1], #4
	str r3, [ip], #4
	ldr r3, [r1], #4
	str r3, [ip], #4
	subs r2, #16
	bhs 1b
2:
	lsls r3, r2, #29
	itttt cs
	ldrcs r3, [r1], #4
	strcs r3, [ip], #4
	ldrcs r3, [r1], #4
	strcs r3, [ip], #4
	itt mi
	ldrmi r3, [r1], #4
	strmi r3, [ip], #4
	lsls r3, r2, #31
	itt cs
	ldrhcs r3, [r1], #2
	strhcs r3, [ip], #2
	itt mi
	ldrbmi r3, [r1]
	strbmi r3, [ip]
	bx lr

GTEXT(memmove)
GTEXT(__aeabi_memmove)
GTEXT(__aeabi_memmove4)
GTEXT(__aeabi_memmove8)
SECTION_SUBSEC_FUNC(TEXT, azure_memmove, memmove)
	.thumb_set __aeabi_memmove, memmove
	.thumb_set __aeabi_memmove4, memmove
	.thumb_set __aeabi_memmove8, memmove
	/* memcpy() reads a word before it writes one, upwards: that is right unless to is within the bytes at from. */
	subs r3, r0, r1
	cmp r3, r2
	bhs memcpy
	/* Downwards, from the end: the same pieces. */
	add r1, r2
	add ip, r0, r2
	subs r2, #16
	blo 2f
1:
	ldr r3, [r1, #-4]!
	str r3, [ip, #-4]!
	ldr r3, [r1, #-4]!
	str r3, [ip, #-4]!
	ldr r3, [r1, #-4]!
	str r3, [ip, #-4]!
	ldr r3, [r1, #-4]!
	str r3, [ip, #-4]!
	subs r2, #16
	bhs 1b
2:
	lsls r3, r2, #29
	itttt cs
	ldrcs r3, [r1, #-4]!
	strcs r3, [ip, #-4]!
	ldrcs r3, [r1, #-4]!
	strcs r3, [ip, #-4]!
	itt mi
	ldrmi r3, [r1, #-4]!
	strmi r3, [ip, #-4]!
	lsls r3, r2, #31
	itt cs
	ldrhcs r3, [r1, #-2]!
	strhcs r3, [ip, #-2]!
	itt mi
	ldrbmi r3, [r1, #-1]
	strbmi r3, [ip, #-1]
	bx lr

GTEXT(memset)
GTEXT(__aeabi_memset)
GTEXT(__aeabi_memset4)
GTEXT(__aeabi_memset8)
GTEXT(__aeabi_memclr)
GTEXT(__aeabi_memclr4)
GTEXT(__aeabi_memclr8)
/* The ABI's functions have the size before the value. */
SECTION_SUBSEC_FUNC(TEXT, azure_memset, __aeabi_memclr)
	.thumb_set __aeabi_memclr4, __aeabi_memclr
	.thumb_set __aeabi_memclr8, __aeabi_memclr
	movs r2, #0
	/* Goes on as __aeabi_memset(to, size, 0). */
	.thumb_func
__aeabi_memset:
	.thumb_set __aeabi_memset4, __aeabi_memset
	.thumb_set __aeabi_memset8, __aeabi_memset
	uxtb r2, r2
	orr r2, r2, r2, lsl #8
	orr r2, r2, r2, lsl #16
	mov ip, r0
	subs r1, #16
	blo 2f
1:
	str r2, [ip], #4
	str r2, [ip], #4
	str r2, [ip], #4
	str r2, [ip], #4
	subs r1, #16
	bhs 1b
2:
	lsls r3, r1, #29
	itt cs
	strcs r2, [ip], #4
	strcs r2, [ip], #4
	it mi
	strmi r2, [ip], #4
	lsls r3, r1, #31
	it cs
	strhcs r2, [ip], #2
	it mi
	strbmi r2, [ip]
	bx lr
	.thumb_func
memset:
	mov r3, r1
	mov r1, r2
	mov r2, r3
	b __aeabi_memset
