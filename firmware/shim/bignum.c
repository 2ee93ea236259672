/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peak of a handshake's heap is the check of an RSA signature, and there the division that prepares
 * Montgomery's multiplication: mbedTLS divides a number of twice the modulus' length and needs seven such
 * numbers for it, 2,500 bytes for RSA-2048. The linker (--wrap, see CMakeLists.txt) puts this in its place,
 * which doubles and subtracts where the result lies. It takes as long as a few multiplications more.
 */
/* It works in mbedTLS's numbers. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <bignum_core.h>
#include <mbedtls/bignum.h>

#define LIMB_BITS (8 * sizeof(mbedtls_mpi_uint))

int __real_mbedtls_mpi_core_get_mont_r2_unsafe(mbedtls_mpi *square, const mbedtls_mpi *modulus);
int __wrap_mbedtls_mpi_core_get_mont_r2_unsafe(mbedtls_mpi *square, const mbedtls_mpi *modulus);

/* x = 2 * x mod n, for x < n */
static void double_mod(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *n, size_t limbs)
{
	mbedtls_mpi_uint carry = 0;

	for (size_t i = 0; i < limbs; i++) {
		mbedtls_mpi_uint high = x[i] >> (LIMB_BITS - 1);

		x[i] = x[i] << 1 | carry;
		carry = high;
	}
	/* Below n already, unless a bit was carried out: n is added back. */
	(void)mbedtls_mpi_core_add_if(x, n, limbs, mbedtls_mpi_core_sub(x, x, n, limbs) & ~carry & 1);
}

/* square = R * R mod modulus, with R = 2 to the number of bits in the modulus' limbs */
int __wrap_mbedtls_mpi_core_get_mont_r2_unsafe(mbedtls_mpi *square, const mbedtls_mpi *modulus)
{
	const size_t limbs = modulus->n;
	size_t doublings = limbs * LIMB_BITS;
	int result;

	if (mbedtls_mpi_cmp_int(modulus, 1) <= 0) {
		return __real_mbedtls_mpi_core_get_mont_r2_unsafe(square, modulus);
	}
	result = mbedtls_mpi_lset(square, 0);
	if (result == 0) {
		result = mbedtls_mpi_shrink(square, limbs);
	}
	if (result != 0) {
		return result;
	}
	if (modulus->p[limbs - 1] >> (LIMB_BITS - 1) != 0) {
		/* R mod n is R - n, and 0 - n in this many limbs. */
		(void)mbedtls_mpi_core_sub(square->p, square->p, modulus->p, limbs);
	} else {
		square->p[0] = 1;
		doublings *= 2;
	}
	while (doublings-- > 0) {
		double_mod(square->p, modulus->p, limbs);
	}
	return 0;
}
