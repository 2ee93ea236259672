/* SPDX-License-Identifier: Apache-2.0 */
/* firmware/shim/memory.S against a loop over bytes: every size up to some, from and to every alignment. */
#include <zephyr/ztest.h>

#define MOST 80
#define ALIGNMENTS 8
/* Bytes around the destination that must stay. */
#define MARGIN 8
#define UNTOUCHED 0xa5

void __aeabi_memcpy(void *to, const void *from, size_t size);
void __aeabi_memset(void *to, size_t size, int value);
void __aeabi_memclr(void *to, size_t size);

/* The compiler knows what the functions do, and would not call them. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static void (*volatile abi_copy)(void *, const void *, size_t) = __aeabi_memcpy;
static void (*volatile abi_set)(void *, size_t, int) = __aeabi_memset;
static void (*volatile abi_clear)(void *, size_t) = __aeabi_memclr;

static uint8_t source[ALIGNMENTS + MOST] __aligned(ALIGNMENTS);
static uint8_t space[MARGIN + ALIGNMENTS + MOST + MARGIN] __aligned(ALIGNMENTS);

static void prepare(void)
{
	for (size_t at = 0; at < sizeof(source); at++) {
		source[at] = at + 1;
	}
	for (size_t at = 0; at < sizeof(space); at++) {
		space[at] = UNTOUCHED;
	}
}

/* `size` bytes at `to` are those at `from`, or all `value` if there are none; all others are as they were. */
static void check(const uint8_t *to, const uint8_t *from, uint8_t value, size_t size)
{
	const size_t start = to - space;

	for (size_t at = 0; at < sizeof(space); at++) {
		uint8_t wanted = UNTOUCHED;

		if (at >= start && at < start + size) {
			wanted = from != NULL ? from[at - start] : value;
		}
		zassert_equal(space[at], wanted, "%zu bytes to %zu: byte %zu is %#x, not %#x", size, start, at, space[at],
			      wanted);
	}
}

ZTEST(memory, test_bytes_are_copied_from_and_to_every_alignment)
{
	for (size_t size = 0; size <= MOST; size++) {
		for (size_t pair = 0; pair < ALIGNMENTS * ALIGNMENTS; pair++) {
			uint8_t *to = space + MARGIN + pair % ALIGNMENTS;
			const uint8_t *from = source + pair / ALIGNMENTS;

			prepare();
			zassert_equal(copy(to, from, size), to);
			check(to, from, 0, size);
			prepare();
			abi_copy(to, from, size);
			check(to, from, 0, size);
		}
	}
}

ZTEST(memory, test_bytes_are_moved_to_where_they_overlap_themselves)
{
	static uint8_t before[sizeof(space)];

	for (size_t size = 0; size <= MOST - MARGIN; size++) {
		for (size_t pair = 0; pair < 2 * MARGIN * 2 * MARGIN; pair++) {
			const size_t to = pair % (2 * MARGIN), from = pair / (2 * MARGIN);

			for (size_t at = 0; at < sizeof(space); at++) {
				before[at] = space[at] = at;
			}
			zassert_equal(move(space + to, space + from, size), space + to);
			for (size_t at = 0; at < sizeof(space); at++) {
				const bool moved = at >= to && at < to + size;
				const uint8_t wanted = before[moved ? at - to + from : at];

				zassert_equal(space[at], wanted, "%zu bytes from %zu to %zu: byte %zu is %u, not %u", size,
					      from, to, at, space[at], wanted);
			}
		}
	}
}

ZTEST(memory, test_bytes_are_set_at_every_alignment)
{
	for (size_t size = 0; size <= MOST; size++) {
		for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
			uint8_t *to = space + MARGIN + alignment;

			prepare();
			/* Only the value's lowest byte counts. */
			zassert_equal(set(to, 0x17c, size), to);
			check(to, NULL, 0x7c, size);
			prepare();
			abi_set(to, size, 0x1fe);
			check(to, NULL, 0xfe, size);
			prepare();
			abi_clear(to, size);
			check(to, NULL, 0, size);
		}
	}
}

ZTEST_SUITE(memory, NULL, NULL, NULL, NULL, NULL);
