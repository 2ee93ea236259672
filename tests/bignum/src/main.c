/* SPDX-License-Identifier: Apache-2.0 */
/* firmware/shim/bignum.c against the function of mbedTLS that it stands for. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <bignum_core.h>
#include <mbedtls/bignum.h>
#include <zephyr/ztest.h>

#define ROUNDS 20
#define MOST_BYTES (4096 / 8)

int azure_mpi_core_get_mont_r2(mbedtls_mpi *square, const mbedtls_mpi *modulus);

/* Marsaglia's xorshift: the same numbers at each run. */
static uint8_t next(void)
{
	static uint32_t state = 2463534242;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* Both results, or both errors, are the same; what the result held before does not matter. */
static void compare(const mbedtls_mpi *modulus, const char *what, int bits)
{
	mbedtls_mpi ours, theirs;
	int our_code, their_code;

	mbedtls_mpi_init(&ours);
	mbedtls_mpi_init(&theirs);
	zassert_ok(mbedtls_mpi_lset(&ours, 42));
	our_code = azure_mpi_core_get_mont_r2(&ours, modulus);
	their_code = mbedtls_mpi_core_get_mont_r2_unsafe(&theirs, modulus);
	zassert_equal(our_code, their_code, "%s, %d bits: %d, not %d", what, bits, our_code, their_code);
	if (their_code == 0) {
		zassert_equal(mbedtls_mpi_cmp_mpi(&ours, &theirs), 0, "%s, %d bits", what, bits);
		zassert_equal(ours.n, theirs.n, "%s, %d bits: %d limbs, not %d", what, bits, ours.n, theirs.n);
	}
	mbedtls_mpi_free(&ours);
	mbedtls_mpi_free(&theirs);
}

/* Compares for a random number of this length, with limbs behind it that hold nothing. */
static void compare_random(int bits, bool odd, size_t empty_limbs)
{
	static uint8_t bytes[MOST_BYTES];
	mbedtls_mpi modulus;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = next();
	}
	mbedtls_mpi_init(&modulus);
	zassert_ok(mbedtls_mpi_read_binary(&modulus, bytes, DIV_ROUND_UP(bits, 8)));
	zassert_ok(mbedtls_mpi_shift_r(&modulus, DIV_ROUND_UP(bits, 8) * 8 - bits));
	zassert_ok(mbedtls_mpi_set_bit(&modulus, bits - 1, 1));
	zassert_ok(mbedtls_mpi_set_bit(&modulus, 0, odd));
	zassert_ok(mbedtls_mpi_grow(&modulus, modulus.n + empty_limbs));
	compare(&modulus, odd ? "odd" : "even", bits);
	mbedtls_mpi_free(&modulus);
}

ZTEST(bignum, test_odd_moduli_of_every_kind_of_length)
{
	static const int lengths[] = {2,   3,   31,  32,  33,   63,   64,   65,   127,  128,  129,
				      255, 256, 257, 384, 512, 521, 1023, 1024, 1025, 2047, 2048};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (int round = 0; round < ROUNDS; round++) {
			compare_random(lengths[i], true, 0);
		}
	}
}

ZTEST(bignum, test_rsa_4096)
{
	compare_random(4096, true, 0);
}

ZTEST(bignum, test_the_largest_and_the_smallest_of_a_length)
{
	mbedtls_mpi modulus;

	for (int bits = 2; bits <= 160; bits++) {
		mbedtls_mpi_init(&modulus);
		zassert_ok(mbedtls_mpi_set_bit(&modulus, bits, 1));
		zassert_ok(mbedtls_mpi_sub_int(&modulus, &modulus, 1));
		compare(&modulus, "all ones", bits);
		mbedtls_mpi_free(&modulus);

		mbedtls_mpi_init(&modulus);
		zassert_ok(mbedtls_mpi_set_bit(&modulus, bits - 1, 1));
		zassert_ok(mbedtls_mpi_set_bit(&modulus, 0, 1));
		compare(&modulus, "ends with ones", bits);
		mbedtls_mpi_free(&modulus);
	}
}

ZTEST(bignum, test_limbs_that_hold_nothing)
{
	compare_random(100, true, 2);
}

ZTEST(bignum, test_what_is_no_modulus)
{
	mbedtls_mpi modulus;

	for (int value = -3; value <= 1; value++) {
		mbedtls_mpi_init(&modulus);
		zassert_ok(mbedtls_mpi_lset(&modulus, value));
		compare(&modulus, "no modulus", value);
		mbedtls_mpi_free(&modulus);
	}
	compare_random(96, false, 0);
}

ZTEST_SUITE(bignum, NULL, NULL, NULL, NULL, NULL);
